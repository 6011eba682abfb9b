/**
 * The example on one machine: an instrument, a sensor node and a bridge on two serial lines without hardware, the second of
 * them noisy. Half-way the adapter of the sensor is unplugged, and plugged in again. In the end all documents are compared.
 *
 *   npm run demo:serial [-- --sentences 300]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openSerialLine, serialLineProblem, type SerialLine } from 'hawser/testing';
import type { Report } from './child.js';
import { sentence } from './instrument.js';

const BAUD_RATE = 115_200;
/** One bit in twenty thousand is flipped, and some bytes are lost. */
const NOISE = { bitErrorRate: 5e-5, dropRate: 1e-4, seed: 1 };
const SENTENCES_A_SECOND = 25;
const UNPLUGGED_MS = 1_500;

const { values: options } = parseArgs({ options: { sentences: { type: 'string', default: '300' } } });
const sentences = Number(options.sentences);
if (!Number.isInteger(sentences) || sentences < 2) throw new Error('--sentences must be a whole number from 2 on');

/** What the two processes have told. */
const seen = { fingerprint: '', heard: 0, saved: 0, stored: 0, link: '', repeated: 0, roundTripMs: 0 };
const digests = new Map<string, readonly string[]>();
let wake = (): void => undefined;

function start(name: string, module: string, settings: Readonly<Record<string, string>>): ChildProcess {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), [], { env: { ...process.env, ...settings } });
  child.on('message', (report: Report) => {
    take(name, report);
    wake();
  });
  child.once('exit', (code) => {
    if (code !== 0) console.log(`${name} ended with status ${code}`);
    wake();
  });
  return child;
}

function take(name: string, report: Report): void {
  if (report.type === 'listening') seen.fingerprint = report.fingerprint;
  else if (report.type === 'stored') seen.stored = report.stored;
  else if (report.type === 'digests') digests.set(name, report.digests);
  else if (report.type === 'saved') {
    const { heard, saved, retransmissions, roundTripMs = seen.roundTripMs } = report;
    Object.assign(seen, { heard, saved, roundTripMs, repeated: Math.max(seen.repeated, retransmissions) });
  } else if (report.activity !== seen.link) {
    const isBack = report.activity === 'busy' && seen.link === 'connecting';
    if (report.activity === 'offline') console.log(`sensor: offline (${report.reason}), and goes on saving`);
    else if (isBack) console.log('sensor: connected');
    seen.link = report.activity;
  }
}

/** Waits for what the processes tell; throws when one of them is gone. */
async function until(isSo: () => boolean, ...children: ChildProcess[]): Promise<void> {
  while (!isSo()) {
    if (children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)) {
      throw new Error('a process has ended too early');
    }
    await new Promise<void>((resolve) => (wake = resolve));
  }
}

/** The instrument speaks, and the plug is pulled half-way. */
async function play(nmea: SerialLine, sync: SerialLine): Promise<void> {
  const instrument = createWriteStream(nmea.ends[0]?.path ?? '', { flags: 'r+' });
  for (let index = 0; index < sentences; index++) {
    instrument.write(sentence(index));
    await delay(1_000 / SENTENCES_A_SECOND);
    if (index !== Math.floor(sentences / 2)) continue;
    console.log(`half-way, ${seen.stored} of ${seen.saved} readings are on the bridge: the adapter is unplugged`);
    await sync.unplug(1);
    void delay(UNPLUGGED_MS)
      .then(() => sync.replug(1))
      .then(() => console.log('the adapter is plugged in again'));
  }
  await new Promise<void>((resolve) => instrument.end(resolve));
}

async function demonstrate(folder: string, nmea: SerialLine, sync: SerialLine): Promise<boolean> {
  const password = randomBytes(24).toString('base64url');
  const shared = { SYNC_BAUD_RATE: String(BAUD_RATE), SENSOR_PASSWORD: password };
  const bridge = start('bridge', 'bridge.ts', {
    ...{ ...shared, SYNC_PORT: sync.ends[0]?.path ?? '', BRIDGE_FOLDER: join(folder, 'bridge') },
  });
  const children = [bridge];
  try {
    await until(() => seen.fingerprint !== '', bridge);
    const sensor = start('sensor', 'sensor.ts', {
      ...{ ...shared, SYNC_PORT: sync.ends[1]?.path ?? '', SENSOR_FOLDER: join(folder, 'sensor') },
      ...{ NMEA_PORT: nmea.ends[1]?.path ?? '', BRIDGE_FINGERPRINT: seen.fingerprint },
    });
    children.push(sensor);
    await until(() => seen.link === 'idle', ...children); // who speaks before somebody listens is not heard
    await play(nmea, sync);
    await until(() => seen.heard === sentences && seen.stored === seen.saved, ...children);
    const { flippedBits, droppedBytes } = sync.statistics;
    console.log(
      `all ${seen.stored} readings are on the bridge; the line flipped ${flippedBits} bits and lost ${droppedBytes} bytes, ` +
        `${seen.repeated} packets went out again, a round trip took ${seen.roundTripMs.toFixed(0)} ms`,
    );
    for (const child of children) child.send('digests');
    await until(() => digests.size === 2, ...children);
  } finally {
    for (const child of children) if (child.connected) child.send('stop');
    for (const child of children) if (child.exitCode === null) await once(child, 'exit');
  }
  return digests.get('sensor')?.join('\n') === digests.get('bridge')?.join('\n');
}

const problem = serialLineProblem();
if (problem !== undefined) {
  console.error(`This example needs two serial lines without hardware: ${problem}.`);
  process.exit(1);
}
const folder = await mkdtemp(join(tmpdir(), 'hawser-serial-sensor-'));
const nmea = await openSerialLine({ baudRate: 38_400 });
const sync = await openSerialLine({ baudRate: BAUD_RATE, ...NOISE });
try {
  const areEqual = await demonstrate(folder, nmea, sync);
  console.log(
    `${areEqual ? 'PASSED' : 'FAILED'}: sensor and bridge have ${seen.stored} documents${areEqual ? ' that are equal' : ''}`,
  );
  process.exitCode = areEqual ? 0 : 1;
} finally {
  await Promise.all([nmea.close(), sync.close()]);
  await rm(folder, { recursive: true, force: true });
}
