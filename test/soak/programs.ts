/**
 * The programs of the vessel as JavaScript, compiled once: on a device no compiler runs beside them, and what one takes (a hundred
 * megabytes and seconds of each start) would hide what is looked for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'tsup';

/** Makes a folder for them, which is the caller's to remove. It is inside the repository, where they find the built package. */
export async function compilePrograms(): Promise<string> {
  const folder = await mkdtemp(join(EXAMPLES, '.soak-'));
  await build({
    entry: ['node', 'bridge', 'shore'].map((name) => join(EXAMPLES, 'vessel', `${name}.ts`)),
    outDir: folder,
    format: 'esm',
    target: 'node20.17',
    skipNodeModulesBundle: true,
    config: false,
    silent: true,
  }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  return folder;
}

/** As a station takes it. */
export function programIn(folder: string, name: string): string {
  return pathToFileURL(join(folder, `${name}.js`)).href;
}

const EXAMPLES = fileURLToPath(new URL('../../device-examples', import.meta.url));
