/**
 * Plays a log as if the instruments spoke now, at an even pace. On a vessel its place is taken by a serial port; see
 * README.md.
 */
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NmeaReader, type Reading, type Role } from './readings.js';

export interface Pace {
  /** Readings to play; fewer if the log ends before. */
  readonly count: number;
  /** Readings a second. */
  readonly rate: number;
  /** Ends the replay early. */
  readonly signal: AbortSignal;
}

/** The readings of one node, in small batches as they become due. */
export async function* replay(
  log: string,
  role: Role,
  { count, rate, signal }: Pace,
): AsyncGenerator<readonly Reading[]> {
  if (count === 0) return;
  const begun = performance.now();
  const batchSize = Math.max(1, Math.round(rate / BATCHES_A_SECOND));
  let played = 0;
  let batch: Reading[] = [];
  for await (const reading of readingsOf(log, role)) {
    batch.push(reading);
    const last = played + batch.length >= count;
    if (batch.length < batchSize && !last) continue;
    if (!(await isDue(begun + ((played + batch.length) / rate) * 1_000, signal))) return;
    yield batch;
    played += batch.length;
    batch = [];
    if (last) return;
  }
  if (batch.length > 0) yield batch;
}

/** Every reading of a log, as fast as it can be read. Without a role those of all nodes. */
export async function* readingsOf(log: string, role?: Role): AsyncGenerator<Reading> {
  const reader = new NmeaReader(role);
  const file = await open(log);
  let number = 0;
  try {
    for await (const line of file.readLines({ encoding: 'latin1' })) yield* reader.read(line, ++number);
  } finally {
    await file.close();
  }
}

/** False if the signal fires first. */
async function isDue(at: number, signal: AbortSignal): Promise<boolean> {
  const wait = at - performance.now();
  if (wait > 0) await delay(wait, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

const BATCHES_A_SECOND = 20;
