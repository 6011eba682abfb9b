/** Programs of the machine: whether they are there, and what they say. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first of the names that PATH has, as a path. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** What it writes to standard output; an empty text if it is not there, fails or takes too long. */
export function firstOutput(
  program: string,
  parameters: readonly string[],
  options: { readonly seconds?: number; readonly cwd?: URL } = {},
): Promise<string> {
  const { seconds = 3, cwd } = options;
  // Not every user's PATH has the folders of the administrator.
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin` };
  return new Promise((resolve) => {
    execFile(program, parameters, { timeout: seconds * 1_000, killSignal: 'SIGKILL', cwd, env }, (error, output) => {
      resolve(error === null ? output : '');
    });
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
