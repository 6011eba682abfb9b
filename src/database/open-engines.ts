/**
 * Which folders this process has open, so that every Database object on a path finds the same engine. Opening, closing and
 * deleting a folder never overlap: whoever comes meanwhile waits, then looks again.
 */
import { HawserError } from '../errors.js';
import { isDatabaseDirectory, lockDirectory } from '../storage/index.js';
import { DatabaseEngine } from './engine.js';
import type { EngineOptions, EngineTools } from './engine-options.js';
import { makeFolder, removeFolder, truePath } from './folder.js';

/** By folder. Undefined is what the deletion of a folder leaves. */
const engines = new Map<string, Promise<DatabaseEngine | undefined>>();

/** The engine for `path`, opened or shared. Each call must be matched by one `release`. */
export async function acquireEngine(path: string, options: EngineOptions, tools: EngineTools): Promise<DatabaseEngine> {
  for (;;) {
    const directory = await makeFolder(path);
    const existing = engines.get(directory);
    if (existing === undefined) return openFirst(directory, options, tools);
    const engine = await existing.catch(() => undefined); // told to those who opened it
    if (engine !== undefined && (await engine.share(options))) return engine;
  }
}

/** Deletes the folder of a database. False if there is none; `DATABASE_BUSY` if anybody has it open, here or elsewhere. */
export async function destroyFolder(path: string): Promise<boolean> {
  for (;;) {
    if (!(await isDatabaseDirectory(path))) return false;
    const directory = await truePath(path);
    const existing = engines.get(directory);
    if (existing === undefined) {
      await destroy(directory);
      return true;
    }
    const engine = await existing.catch(() => undefined);
    if (engine !== undefined) throw new HawserError('DATABASE_BUSY', `${path} is open in this process`);
  }
}

async function destroy(directory: string): Promise<void> {
  const destruction = removeLocked(directory);
  engines.set(directory, destruction);
  try {
    await destruction;
  } finally {
    engines.delete(directory);
  }
}

async function openFirst(directory: string, options: EngineOptions, tools: EngineTools): Promise<DatabaseEngine> {
  const opening = DatabaseEngine.open(directory, options, tools, () => engines.delete(directory));
  engines.set(directory, opening);
  try {
    return await opening;
  } catch (error) {
    engines.delete(directory);
    throw error;
  }
}

async function removeLocked(directory: string): Promise<undefined> {
  const unlock = await lockDirectory(directory);
  try {
    await removeFolder(directory);
  } finally {
    await unlock();
  }
}
