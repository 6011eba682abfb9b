/**
 * Small files that nobody else may read or change: keys, and what is believed about others. They have mode 0600 and lie in
 * folders of mode 0700.
 *
 * Invariant: a file appears whole or not at all, and once a promise has resolved it outlives a power cut.
 */
import { constants, type Stats } from 'node:fs';
import { access, link, mkdir, open, readdir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemRandom } from '../base/index.js';
import { HawserError, isHawserError, type ErrorCode } from '../errors.js';

/**
 * The text of the file, or `undefined` if there is none.
 *
 * @param maxBytes larger files are not read
 * @throws `IDENTITY_FILE_UNSAFE` if others can read or write it, `IDENTITY_INVALID` if it is no file or too large;
 *   `STORAGE_FULL`, `STORAGE_READ_ONLY` or `STORAGE_IO_ERROR`, as the other functions here, if the disk does not let us
 */
export async function readSecretFile(path: string, maxBytes = MAX_FILE_SIZE): Promise<string | undefined> {
  return named(path, async () => {
    const file = await openIfThere(path);
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat(); // of the opened file, so that it can't be exchanged in between
      if (!stats.isFile()) throw new HawserError('IDENTITY_INVALID', `${path} is not a file`);
      checkOwner(path, stats);
      if (stats.size > maxBytes) {
        throw new HawserError('IDENTITY_INVALID', `${path} is too large: more than ${maxBytes} bytes`);
      }
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  });
}

/** Writes the file, in place of one that is there. Makes the folder if it is missing. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  await named(path, () =>
    put(path, text, async (temporary) => {
      await rename(temporary, path);
      return true;
    }),
  );
}

/**
 * Writes the file unless there is one of that name: false then, for all but one of those that try at the same time. Where
 * the file system has no hard links (FAT), two processes that try at the very same moment may both succeed; the file is
 * whole then, too.
 */
export async function createSecretFile(path: string, text: string): Promise<boolean> {
  return named(path, () => put(path, text, (temporary) => nameUnlessTaken(temporary, path)));
}

/** False if there was none. */
export async function deleteSecretFile(path: string): Promise<boolean> {
  return named(path, async () => {
    try {
      await unlink(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncDirectory(dirname(path));
    return true;
  });
}

/**
 * Makes the folder if it is missing.
 * @throws `IDENTITY_FILE_UNSAFE` if others can read or write in it
 */
export async function secretDirectory(directory: string): Promise<void> {
  await named(directory, async () => {
    await makeDirectory(directory);
    checkOwner(directory, await stat(directory));
  });
}

/** The names of what lies in the folder. */
export async function filesIn(directory: string): Promise<string[]> {
  return named(directory, () => readdir(directory));
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe of that name would hold a thread for good
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Ours, or root's, and for its owner alone: whoever made it for us would know what is in it. */
function checkOwner(path: string, { mode, uid }: Stats): void {
  if (process.platform === 'win32') return;
  const user = process.geteuid?.() ?? uid;
  if (uid !== user && uid !== 0) {
    throw new HawserError(
      'IDENTITY_FILE_UNSAFE',
      `${path} belongs to user ${uid} and this process is user ${user}: its owner can reach what is secret in it`,
      { hint: 'Give it to the user that this process runs as (chown), if nobody else could have made it.' },
    );
  }
  if ((mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  throw new HawserError(
    'IDENTITY_FILE_UNSAFE',
    `${path} has mode ${octal}: other users can reach what is secret in it`,
  );
}

/** Writes a temporary file beside it, which `finish` then moves to its name. */
async function put(path: string, text: string, finish: (temporary: string) => Promise<boolean>): Promise<boolean> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const temporary = `${path}.${Buffer.from(systemRandom.bytes(6)).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await finish(temporary))) return false;
    await syncDirectory(directory);
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Makes the folder and those above it that are missing, and sees to it that they outlive a power cut as well. */
async function makeDirectory(directory: string): Promise<void> {
  let made = resolve(directory);
  let first: string | undefined = made;
  try {
    await mkdir(made, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT') throw error; // a recursive call would not say what is wrong with the disk
    first = await mkdir(made, { recursive: true, mode: 0o700 });
  }
  if (first === undefined) return;
  for (; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** Gives the file its name unless that is taken (false). */
async function nameUnlessTaken(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') return false;
    if (code === undefined || !NO_HARD_LINKS.has(code)) throw error;
    if (await exists(path)) return false;
    await rename(temporary, path);
  }
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error; // a file system that cannot sync folders
  } finally {
    await handle.close();
  }
}

/** What the system says about the disk, in the words of this package. */
async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (isHawserError(cause) || errno === undefined) throw cause;
    const code = FILE_ERRORS[errno] ?? 'STORAGE_IO_ERROR';
    throw new HawserError(code, `${path} can be neither read nor written: ${errno}`, { cause });
  }
}

function errnoOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const MAX_FILE_SIZE = 65_536;
/** FAT and some network file systems. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
const FILE_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EROFS: 'STORAGE_READ_ONLY',
  EACCES: 'STORAGE_READ_ONLY',
  EPERM: 'STORAGE_READ_ONLY',
};
