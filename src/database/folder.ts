/** The folder of a database, with the operating system's refusals as coded errors. */
import { mkdir, realpath, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { HawserError } from '../errors.js';
import { fileError, syncDirectory } from '../storage/index.js';

/** Throws `ARGUMENT_INVALID` for what cannot be the path of a folder. */
export function checkPath(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new HawserError('ARGUMENT_INVALID', 'the path of a database must be a text that is not empty');
  }
  return path;
}

/** Makes the folder and those above it where they are missing. Resolves to its one true path. */
export async function makeFolder(path: string): Promise<string> {
  await attempt(path, () => make(resolve(path)));
  return truePath(path);
}

/** Links followed: two names of one folder are one database. */
export function truePath(path: string): Promise<string> {
  return attempt(path, () => realpath(path));
}

/** Removes the folder and everything in it. */
export function removeFolder(path: string): Promise<void> {
  return attempt(path, () => rm(path, { recursive: true, force: true }));
}

/** Node's own recursive mkdir says ENOENT on a read-only file system, and flushes nothing. */
async function make(path: string, mayLackParent = true): Promise<void> {
  try {
    await mkdir(path);
    await syncDirectory(dirname(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return; // a file in its place is noticed when something is opened in it
    if (code !== 'ENOENT' || !mayLackParent) throw error;
    await make(dirname(path));
    await make(path, false);
  }
}

async function attempt<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw fileError(error, path);
  }
}
