/**
 * Finds the recorded conversations and real-world data that some tests need and that are too large, or not ours, to keep
 * in the repository: in the folder HAWSER_TEST_DATA names, by default `shared` beside the repository. A test that finds
 * nothing there skips and says what it missed; it never passes by looking at nothing.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

function root(): string {
  const configured = process.env['HAWSER_TEST_DATA'];
  if (configured !== undefined && configured !== '') return resolve(configured);
  return fileURLToPath(new URL('../../../shared', import.meta.url));
}

/** The absolute path of a file or folder of the shared data; undefined where it does not exist. */
export function sharedData(relativePath: string): string | undefined {
  const path = resolve(root(), relativePath);
  return existsSync(path) ? path : undefined;
}

/**
 * Options for `test` or `describe` that skip it where one of the paths is missing: `test(title, skipWithout('captures'), …)`.
 */
export function skipWithout(...relativePaths: readonly string[]): { skip: string } | Record<string, never> {
  const missing = relativePaths.find((relativePath) => sharedData(relativePath) === undefined);
  if (missing === undefined) return {};
  return { skip: `shared data "${missing}" is not in ${root()} (set HAWSER_TEST_DATA)` };
}
