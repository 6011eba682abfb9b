/** The command line of the soak. */
import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Where the picture and the record are written; the databases are in a folder of their own, which goes. */
  readonly out: string;
  readonly keep: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run soak -- [options]

Runs the vessel of the demo for a long time: its links are cut, its serial line is noisy and unplugged, its processes and its broker
are killed and restarted. Meanwhile memory, open files, sizes and delays of every process are looked at from outside. In the end all
documents must be equal, and nothing may have grown without reason; the exit status is 0 only then.

  --minutes N   how long the nodes save (default 60; 0.5 to 1440)
  --seed N      what happens to whom (default: another one each time, printed)
  --out FOLDER  where the picture (soak.svg) and the record (soak.json) are written (default: ./soak)
  --keep        keep the databases and say where they are
  --help        print this`;

/** Throws an error with a message for people: an unknown option, a value that is none. */
export function parseOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
      out: { type: 'string', default: 'soak' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { out, keep, help } = values;
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes >= 0.5 && minutes <= 1_440)) throw new Error('--minutes must be a number from 0.5 to 1440');
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed must be a whole number from 0');
  if (out === '') throw new Error('--out needs a path');
  return { minutes, seed, out, keep, help };
}
