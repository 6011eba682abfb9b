/**
 * Keeps the write-ahead log short. SQLite moves it into the database by itself, with the commit that makes it long enough, but
 * can begin it anew only at a moment when nobody reads: readers who follow each other without a gap, or one that takes long,
 * let it grow without end, and a large transaction leaves its whole length behind until the next write. So whoever commits
 * looks; a log that has become twice as long as it should is emptied and cut while the readers wait.
 *
 * Invariant: nothing here fails a transaction, which has been committed before.
 */
import { statSync } from 'node:fs';
import type { Logger } from '../../base/index.js';
import type { Connection } from './connection.js';
import type { ReadPool } from './read-pool.js';

export class KeptLog {
  readonly #file: string;
  readonly #bytes: number;
  readonly #writer: Connection;
  readonly #readers: ReadPool;
  readonly #logger: Logger;
  /** Above this it is too long: twice what it should be, and more where it could not be shortened the last time. */
  #tolerated: number;

  /** @param bytes after which SQLite moves it into the database by itself */
  constructor(file: string, bytes: number, writer: Connection, readers: ReadPool, logger: Logger) {
    this.#file = file;
    this.#bytes = bytes;
    this.#writer = writer;
    this.#readers = readers;
    this.#logger = logger;
    this.#tolerated = 2 * bytes;
  }

  /** Asked after each commit: of a file that is open the system knows the size without looking at the disk, in 2 µs. */
  get isTooLong(): boolean {
    return this.#size > this.#tolerated;
  }

  /** Empties it. Only in turn with the transactions. Waits for the reads under way; those that come later wait for it. */
  async shorten(): Promise<void> {
    try {
      await this.#readers.pause(() => this.#writer.all('PRAGMA wal_checkpoint(TRUNCATE)'));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#logger.log('warning', 'database', `${this.#file} could not be shortened: ${detail}`);
    }
    this.#tolerated = Math.max(2 * this.#bytes, this.#size + this.#bytes); // where it is busy not again with every commit
  }

  get #size(): number {
    try {
      return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
    } catch {
      return 0; // its folder may not be looked at any more; SQLite has the file open
    }
  }
}
