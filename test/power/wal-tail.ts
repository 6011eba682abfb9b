/**
 * What else a power cut may leave of a write-ahead log: its end torn. Nothing orders writes between two flushes, so of what was
 * written after the last one each sector of 512 bytes may hold the new data, the old (here: zeros, or bits at random), or lie
 * beyond the end of a file whose size was not written yet.
 *
 * What is damaged here is that and nothing else:
 * - **`fullSync`**: each commit was flushed before it was acknowledged, so only what lies behind the last whole commit;
 * - **NORMAL**: a log is flushed when it begins (its header) and before a checkpoint moves it into the database. So everything
 *   behind the header, or behind what is known to have been flushed since, as long as the log is too short to have met a
 *   checkpoint. In a longer one only what lies behind the last whole commit: the database may hold pages of the rest already,
 *   and to damage that would be to damage what SQLite had flushed.
 */
import { open, stat } from 'node:fs/promises';
import type { RandomSource } from '../../src/base/index.js';

const HEADER = 32;
const FRAME_HEADER = 24;
const SECTOR = 512;
/** Frames after which the database moves its log: PRAGMA wal_autocheckpoint of src/storage. */
const CHECKPOINT_FRAMES = 4_000;

/** A log of which so many bytes are known to be on the disk. */
export interface KnownLog {
  readonly salts: string;
  readonly bytes: number;
}

/** What is on the disk of the log now that all of it was flushed; undefined if there is none. */
export async function knownLog(path: string): Promise<KnownLog | undefined> {
  const log = await read(path);
  return log === undefined ? undefined : { salts: saltsOf(log), bytes: log.length };
}

/**
 * Damages the end of the log as a power cut might.
 *
 * @param known what was flushed before the cut, of this log or of one before it
 * @returns what was done, or undefined if there was nothing that might be damaged
 */
export async function tearLog(
  path: string,
  fullSync: boolean,
  known: KnownLog | undefined,
  random: RandomSource,
): Promise<string | undefined> {
  const log = await read(path);
  if (log === undefined) return undefined;
  const committed = endOfCommits(log);
  const flushed = known?.salts === saltsOf(log) ? Math.max(known.bytes, HEADER) : HEADER;
  const mayHaveMoved = log.length >= HEADER + CHECKPOINT_FRAMES * (pageSizeOf(log) + FRAME_HEADER);
  const from = Math.min(fullSync || mayHaveMoved ? Math.max(committed, flushed) : flushed, log.length);
  const file = await open(path, 'r+');
  try {
    const choice = random.next();
    const below = (limit: number): number => Math.floor(random.next() * limit);
    if (choice < 0.25) {
      // A write that was under way when the power went: a frame that is whole, or nearly, or nothing but zeros.
      const frame = random.next() < 0.5 ? Buffer.alloc(4_096) : Buffer.from(log.subarray(HEADER, HEADER + 4_120));
      if (frame.length > 0) frame[below(frame.length)]! ^= 1 << below(8);
      const bytes = frame.subarray(0, 1 + below(frame.length));
      await file.write(bytes, 0, bytes.length, log.length);
      return `${bytes.length} bytes of another frame behind ${log.length}`;
    }
    if (from >= log.length) return undefined;
    if (choice < 0.55) {
      const length = from + below(log.length - from);
      await file.truncate(length);
      return `cut from ${log.length} to ${length} bytes`;
    }
    const first = Math.ceil(from / SECTOR);
    const sectors = Math.floor(log.length / SECTOR) - first;
    if (sectors <= 0) return undefined;
    const torn: number[] = [];
    for (let count = 1 + below(8); count > 0; count--) {
      const position = (first + below(sectors)) * SECTOR;
      const sector = choice < 0.8 ? Buffer.alloc(SECTOR) : Buffer.from(random.bytes(SECTOR));
      await file.write(sector, 0, SECTOR, position);
      torn.push(position);
    }
    return `sectors at ${torn.sort((a, b) => a - b).join(', ')} of ${log.length} ${choice < 0.8 ? 'zero' : 'random'}`;
  } finally {
    await file.close();
  }
}

/** Undefined for a log that has not begun. */
async function read(path: string): Promise<Buffer | undefined> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size < HEADER) return undefined;
  const file = await open(path, 'r');
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function saltsOf(log: Buffer): string {
  return log.toString('hex', 16, 24);
}

function pageSizeOf(log: Buffer): number {
  return log.readUInt32BE(8);
}

/** Where the last commit ends, as SQLite's recovery finds it: frames of this log, in a chain of checksums. */
function endOfCommits(log: Buffer): number {
  const bigEndian = (log.readUInt32BE(0) & 1) === 1;
  const size = pageSizeOf(log) + FRAME_HEADER;
  let [a, b] = checksum(log.subarray(0, 24), [0, 0], bigEndian);
  let end = HEADER;
  for (let position = HEADER; position + size <= log.length; position += size) {
    const frame = log.subarray(position, position + size);
    if (frame.compare(log, 16, 24, 8, 16) !== 0) break;
    [a, b] = checksum(frame.subarray(0, 8), [a, b], bigEndian);
    [a, b] = checksum(frame.subarray(FRAME_HEADER), [a, b], bigEndian);
    if (frame.readUInt32BE(16) !== a || frame.readUInt32BE(20) !== b) break;
    if (frame.readUInt32BE(4) !== 0) end = position + size;
  }
  return end;
}

/** That of SQLite's file format, 4.2: pairs of 32-bit words in the byte order that the log's magic number names. */
function checksum(bytes: Buffer, start: readonly [number, number], bigEndian: boolean): [number, number] {
  let [a, b] = start;
  for (let position = 0; position < bytes.length; position += 8) {
    a = (a + word(bytes, position, bigEndian) + b) >>> 0;
    b = (b + word(bytes, position + 4, bigEndian) + a) >>> 0;
  }
  return [a, b];
}

function word(bytes: Buffer, position: number, bigEndian: boolean): number {
  return bigEndian ? bytes.readUInt32BE(position) : bytes.readUInt32LE(position);
}
