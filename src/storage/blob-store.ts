/**
 * Contents of blobs as files, each under the SHA-1 of its content. It does not know which documents refer to them, so
 * deleting what nobody needs is its caller's business, and never while the same content may be being put.
 *
 * Invariant: a file with a blob's name holds all of its content. It is written under another name, flushed, renamed, and
 * the folder flushed, before `put` resolves; what a killed process left under other names is removed at the next opening.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, opendir, readFile, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkInteger } from '../base/index.js';
import { HawserError } from '../errors.js';
import { digestOf, digestOfFileName, fileNameOf } from './blob-digest.js';
import { errnoOf, fileError, syncDirectory } from './files.js';

/** Where the content of a new blob comes from. A stream is read once; bytes must not change until the blob is stored. */
export type BlobSource = Uint8Array | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

export interface StoredBlob {
  readonly digest: string;
  /** In bytes. */
  readonly length: number;
}

/** What the content is announced to be. Anything else is refused with `BLOB_CORRUPT`, and nothing of it is kept. */
export interface ExpectedBlob {
  readonly digest?: string;
  /** In bytes. A longer stream is given up as soon as it is. */
  readonly length?: number;
}

/** A part of a blob, in bytes. */
export interface BlobRange {
  /** The first byte. @default 0 */
  readonly start?: number;
  /** The byte after the last. @default the end */
  readonly end?: number;
}

export class BlobStore {
  readonly #directory: string;

  /**
   * Opens the folder of blobs, which is made if it is missing, and removes what an unfinished `put` left there. The caller
   * has locked the database folder around it.
   */
  static async open(directory: string): Promise<BlobStore> {
    try {
      await makeDirectory(directory);
      for await (const entry of await opendir(directory)) {
        if (entry.name.endsWith(UNFINISHED)) await unlink(join(directory, entry.name));
      }
      return new BlobStore(directory);
    } catch (error) {
      throw fileError(error, directory);
    }
  }

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Stores a content and resolves when it is durable; one that is there already is not stored again. Rejects with
   * `BLOB_INVALID` for what is no bytes, `BLOB_CORRUPT` for what is not as expected, `STORAGE_FULL`, `STORAGE_…`, or with
   * what the stream failed with; then nothing is left of it.
   *
   * @param beforeHere called once the digest is known, before anything depends on whether the content is here; it may delay
   */
  async put(
    source: BlobSource,
    expected: ExpectedBlob = {},
    beforeHere: (digest: string) => Promise<void> = async () => undefined,
  ): Promise<StoredBlob> {
    if (expected.digest !== undefined) fileNameOf(expected.digest);
    const known = source instanceof Uint8Array ? await this.#known(source, expected, beforeHere) : undefined;
    if (known !== undefined) return known;
    const path = join(this.#directory, randomBytes(12).toString('hex') + UNFINISHED);
    const file = await this.#attempt(path, () => open(path, 'wx'));
    try {
      let blob: StoredBlob;
      try {
        blob = await this.#write(file, path, source, expected);
      } finally {
        await file.close();
      }
      await beforeHere(blob.digest);
      await this.#attempt(path, () => rename(path, this.#pathOf(blob.digest)));
      await this.#attempt(this.#directory, () => syncDirectory(this.#directory));
      return blob;
    } catch (error) {
      await unlink(path).catch(() => undefined); // gone already, if the renaming succeeded
      throw error;
    }
  }

  async has(digest: string): Promise<boolean> {
    return (await this.length(digest)) !== undefined;
  }

  /** The number of bytes, or undefined for a content that is not here. */
  async length(digest: string): Promise<number | undefined> {
    const path = this.#pathOf(digest);
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw fileError(error, path);
    }
  }

  /** The whole content in memory. Rejects with `BLOB_NOT_FOUND`, and `BLOB_CORRUPT` if the file was damaged. */
  async read(digest: string): Promise<Uint8Array> {
    const path = this.#pathOf(digest);
    const bytes = await readFile(path).catch((error: unknown) => {
      throw notFoundOr(error, digest, path);
    });
    check(createHash('sha1').update(bytes).digest(), digest);
    return bytes;
  }

  /**
   * The content in pieces, in constant memory. Opens the file when the first piece is asked for, and closes it when the
   * loop ends, however it ends. Throws as `read` does; of a range, damage is not noticed.
   */
  async *stream(
    digest: string,
    { start = 0, end = Infinity }: BlobRange = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const path = this.#pathOf(digest);
    checkInteger('start of the range', start, 0);
    if (end !== Infinity) checkInteger('end of the range', end, 0);
    const file = await open(path, 'r').catch((error: unknown) => {
      throw notFoundOr(error, digest, path);
    });
    try {
      const hash = start === 0 && end === Infinity ? createHash('sha1') : undefined;
      let position = start;
      while (position < end) {
        const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, end - position));
        const { bytesRead } = await this.#attempt(path, () => file.read(piece, 0, piece.length, position));
        if (bytesRead === 0) break;
        position += bytesRead;
        const bytes = piece.subarray(0, bytesRead);
        hash?.update(bytes);
        yield bytes;
      }
      if (hash !== undefined) check(hash.digest(), digest);
    } finally {
      await file.close();
    }
  }

  /** Removes a content; false if it was not here. */
  async delete(digest: string): Promise<boolean> {
    const path = this.#pathOf(digest);
    try {
      await unlink(path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw fileError(error, path);
    }
  }

  /** The digests of all contents, in no order. */
  async *list(): AsyncGenerator<string, void, undefined> {
    for await (const entry of await this.#attempt(this.#directory, () => opendir(this.#directory))) {
      const digest = digestOfFileName(entry.name);
      if (digest !== undefined) yield digest;
    }
  }

  /** The blob of bytes that are stored already. */
  async #known(
    bytes: Uint8Array,
    expected: ExpectedBlob,
    beforeHere: (digest: string) => Promise<void>,
  ): Promise<StoredBlob | undefined> {
    const blob = { digest: digestOf(createHash('sha1').update(bytes).digest()), length: bytes.length };
    checkExpected(blob, expected);
    await beforeHere(blob.digest);
    if ((await this.length(blob.digest)) !== blob.length) return undefined;
    // Whoever put it may still be waiting for this.
    await this.#attempt(this.#directory, () => syncDirectory(this.#directory));
    return blob;
  }

  async #write(file: FileHandle, path: string, source: BlobSource, expected: ExpectedBlob): Promise<StoredBlob> {
    const hash = createHash('sha1');
    let length = 0;
    for await (const piece of piecesOf(source)) {
      if (!(piece instanceof Uint8Array))
        throw new HawserError('BLOB_INVALID', 'the stream of a blob yielded something other than bytes');
      length += piece.length;
      if (length > (expected.length ?? Infinity)) checkExpected({ length }, expected);
      hash.update(piece);
      await this.#attempt(path, () => file.writeFile(piece));
    }
    const blob = { digest: digestOf(hash.digest()), length };
    checkExpected(blob, expected);
    await this.#attempt(path, () => file.sync());
    return blob;
  }

  #pathOf(digest: string): string {
    return join(this.#directory, fileNameOf(digest));
  }

  async #attempt<T>(path: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw fileError(error, path);
    }
  }
}

/** The end of the names of contents that are still being written. */
const UNFINISHED = '.part';

/** Bytes in one piece of a stream. */
const PIECE = 64 * 1024;

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    throw error;
  }
  await syncDirectory(dirname(directory));
}

function piecesOf(source: BlobSource): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (source instanceof Uint8Array) return [source];
  if (typeof source === 'object' && source !== null && Symbol.asyncIterator in source) return source;
  throw new HawserError('BLOB_INVALID', 'the content of a blob must be bytes or a stream of bytes');
}

function check(sha1: Uint8Array, digest: string): void {
  if (digestOf(sha1) !== digest) throw new HawserError('BLOB_CORRUPT', `the content of ${digest} is damaged`);
}

function checkExpected(blob: Partial<StoredBlob>, expected: ExpectedBlob): void {
  if (expected.length !== undefined && blob.length !== expected.length) {
    const more = blob.digest === undefined ? 'at least ' : '';
    throw new HawserError(
      'BLOB_CORRUPT',
      `the content has ${more}${blob.length} bytes where ${expected.length} were announced`,
    );
  }
  if (expected.digest !== undefined && blob.digest !== undefined && blob.digest !== expected.digest) {
    throw new HawserError(
      'BLOB_CORRUPT',
      `the content has the digest ${blob.digest} where ${expected.digest} was announced`,
    );
  }
}

function notFoundOr(error: unknown, digest: string, path: string): unknown {
  if (errnoOf(error) !== 'ENOENT') return fileError(error, path);
  return new HawserError('BLOB_NOT_FOUND', `the content of ${digest} is not here`, { cause: error });
}
