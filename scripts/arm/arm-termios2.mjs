/** What QEMU lacks for serial lines, see termios2.c, compiled for an ARM machine. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, isCached } from './cache.mjs';
import { runOrThrow } from './run-program.mjs';

const source = fileURLToPath(new URL('termios2.c', import.meta.url));
const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
const entryName = ({ name }) => `termios2-${digest}-${name}`;

export function isTermios2Built(target) {
  return isCached(entryName(target));
}

/** Resolves to the path of the library. */
export async function armTermios2(target) {
  const folder = await cached(entryName(target), (making) =>
    runOrThrow(
      `Compiling termios2.c for ${target.name}`,
      `${target.toolchain}gcc`,
      ['-shared', '-fPIC', '-O1', '-Wall', '-o', join(making, 'termios2.so'), source],
      { minutes: 2 },
    ),
  );
  return join(folder, 'termios2.so');
}
