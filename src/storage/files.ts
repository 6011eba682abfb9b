/** What the operating system reports about files, as the coded errors of hawser; and making names durable. */
import { access, constants, open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HawserError, type ErrorCode } from '../errors.js';

/** The coded error for what a file operation on `path` rejected with. Coded errors pass through. */
export function fileError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new HawserError(CODE_OF[errno] ?? 'STORAGE_IO_ERROR', `${path}: ${errno}`, { cause: error });
}

/** The name of the operating system's error, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Why a file in a folder could not be opened or written, as far as the folder and its file system tell: the coded error,
 * or undefined if they look well.
 */
export async function reasonOfFailure(file: string): Promise<unknown> {
  const directory = dirname(file);
  try {
    // With the slash it must be a folder.
    await access(`${directory}/`, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize >= NO_SPACE) return undefined;
    return new HawserError('STORAGE_FULL', `${directory}: no space is left on the disk`);
  } catch (error) {
    return fileError(error, directory);
  }
}

/** Bytes. SQLite takes up to 32 KiB at once, for the index of its write-ahead log. */
const NO_SPACE = 64 * 1024;

/** Makes the names in a folder durable: what was created, renamed or deleted there survives a power loss. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * The coded error of a disk that fails, which makes what is read look damaged; undefined if it works. Asked of the folder: to close
 * the file itself would end the locks that SQLite has on it.
 */
export async function diskFailure(file: string): Promise<unknown> {
  const directory = dirname(file);
  try {
    await syncDirectory(directory);
    return undefined;
  } catch (error) {
    return errnoOf(error) === 'EIO' ? fileError(error, directory) : undefined;
  }
}

const CODE_OF: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EROFS: 'STORAGE_READ_ONLY',
  EACCES: 'STORAGE_READ_ONLY',
  EPERM: 'STORAGE_READ_ONLY',
  ENOENT: 'DATABASE_CANNOT_OPEN',
  ENOTDIR: 'DATABASE_CANNOT_OPEN',
  ENAMETOOLONG: 'DATABASE_CANNOT_OPEN',
  ELOOP: 'DATABASE_CANNOT_OPEN',
};
