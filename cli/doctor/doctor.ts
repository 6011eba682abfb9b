/**
 * Runs the checks one after the other and says what each has found as soon as it has. A check that takes too long or fails by
 * itself is a finding too: the doctor comes to an end on any machine.
 */
import { checkBroker } from './broker.js';
import { checkClock } from './clock.js';
import { checkDatabase } from './database.js';
import { checkFileSystem } from './file-system.js';
import { problem, said, type DoctorOptions, type Finding } from './finding.js';
import { checkFlushing } from './flushing.js';
import { checkMachine } from './machine.js';
import { checkMemory } from './memory.js';
import { checkNode } from './node.js';
import { checkPackages } from './packages.js';
import { asJson, asText, summary } from './report.js';
import { checkSerialDevices } from './serial-devices.js';
import { checkSerialPort } from './serial-port.js';
import { checkSqlite } from './sqlite.js';
import { checkSync } from './sync.js';
import { usableFolder, whileThereIs } from './temporary-folder.js';
import { ownPackage } from '../own-package.js';

interface Check {
  readonly name: string;
  readonly run: () => Finding | readonly Finding[] | Promise<Finding | readonly Finding[]>;
  /** In seconds. @default 15 */
  readonly patience?: number;
}

/** Resolves to the exit status: 0, or 1 if there is a problem. */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  // Of modules that Node calls experimental: it is said in a finding where it matters.
  process.removeAllListeners('warning');
  const { version } = ownPackage();
  const colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  if (!options.json) process.stdout.write(`hawser ${version}\n`);
  const findings: Finding[] = [];
  await whileThereIs(await usableFolder(options.folder), async (place) => {
    for (const check of checksFor(options, place)) {
      for (const finding of await answered(check)) {
        findings.push(finding);
        if (!options.json) process.stdout.write(asText(finding, colours));
      }
    }
  });
  process.stdout.write(options.json ? asJson(version, findings) : summary(findings));
  return findings.some(({ verdict }) => verdict === 'problem') ? 1 : 0;
}

/** @param place a temporary folder in the folder in question; undefined if none can be made there */
function checksFor({ folder, serial, baudRate, broker }: DoctorOptions, place: string | undefined): Check[] {
  let hasSqlite = false;
  /** Where to write, once the folder is found to be sound. */
  let room: string | undefined;
  return [
    { name: 'node', run: checkNode },
    { name: 'machine', run: checkMachine },
    { name: 'memory', run: checkMemory },
    { name: 'clock', run: checkClock },
    {
      name: 'sqlite',
      patience: 90,
      run: async () => {
        const finding = await checkSqlite();
        hasSqlite = finding.verdict !== 'problem';
        return finding;
      },
    },
    {
      name: 'folder',
      run: async () => {
        const finding = await checkFileSystem(folder, place !== undefined);
        room = finding.verdict === 'problem' ? undefined : place;
        return finding;
      },
    },
    { name: 'flushing', run: () => (room === undefined ? [] : checkFlushing(room)) },
    { name: 'packages', patience: 30, run: checkPackages },
    { name: 'serial', run: checkSerialDevices },
    ...(serial === undefined ? [] : [{ name: 'port', run: () => checkSerialPort(serial, baudRate) }]),
    ...(broker === undefined ? [] : [{ name: 'broker', patience: 40, run: () => checkBroker(broker) }]),
    { name: 'database', patience: 60, run: () => (hasSqlite && room !== undefined ? checkDatabase(room) : []) },
    { name: 'sync', patience: 120, run: () => (hasSqlite ? checkSync(room) : []) },
  ];
}

async function answered({ name, run, patience = 15 }: Check): Promise<readonly Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    const finding = problem(
      name,
      `This check had no answer after ${patience} seconds.`,
      'Something on this machine blocks or is very slow: see the system log (dmesg), and try again.',
    );
    timer = setTimeout(() => resolve(finding), patience * 1_000);
  });
  try {
    return [await Promise.race([Promise.resolve().then(run), late])].flat();
  } catch (error) {
    return [problem(name, `This check failed: ${said(error)}.`, 'Report this with the message and the machine.')];
  } finally {
    clearTimeout(timer);
  }
}
