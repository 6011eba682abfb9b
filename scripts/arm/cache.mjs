/**
 * What is fetched and built once: in HAWSER_ARM_CACHE, by default `hawser-arm` in the user's cache folder. An entry is named
 * after everything that it depends on, and gets its name last: one that was cut short is never taken for one that is whole.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const { HAWSER_ARM_CACHE: configured, XDG_CACHE_HOME: ofUser } = process.env;
export const cacheFolder = resolve(configured || join(ofUser || join(homedir(), '.cache'), 'hawser-arm'));

const MAKING = 'making-';
const DAY = 86_400_000;

export function cachedEntry(name) {
  return join(cacheFolder, name);
}

export function isCached(name) {
  return existsSync(cachedEntry(name));
}

/** The path of an entry, which `make` fills first if there is none: it is called with an empty folder. */
export async function cached(name, make) {
  const path = cachedEntry(name);
  if (existsSync(path)) return path;
  await mkdir(cacheFolder, { recursive: true });
  await sweep();
  const making = await mkdtemp(join(cacheFolder, MAKING));
  try {
    await make(making);
    await rename(making, path).catch((error) => {
      // Another run was faster.
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return path;
}

/** Removes what runs that were killed have left. A younger folder may be at work. */
async function sweep() {
  for (const name of await readdir(cacheFolder)) {
    const path = join(cacheFolder, name);
    const isOld = async () => Date.now() - (await stat(path)).mtimeMs > DAY;
    if (name.startsWith(MAKING) && (await isOld())) await rm(path, { recursive: true, force: true });
  }
}
