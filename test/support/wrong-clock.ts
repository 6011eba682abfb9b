/**
 * A wall clock of a process's own that a test can set at any moment, with libfaketime: the machine's stays as it is, and the
 * monotonic one of the process goes on evenly, as it does on a device whose clock is set.
 */
import { existsSync, readdirSync } from 'node:fs';
import { writeFile, rename } from 'node:fs/promises';

/** Why a process cannot have a clock of its own here; undefined if it can. */
export function wrongClockProblem(): string | undefined {
  return library() === undefined ? 'a wrong clock needs libfaketime (Debian: faketime)' : undefined;
}

export class WrongClock {
  readonly #file: string;

  /** @param file made here, in a folder that is there */
  static async make(file: string): Promise<WrongClock> {
    const clock = new WrongClock(file);
    await clock.set(0);
    return clock;
  }

  private constructor(file: string) {
    this.#file = file;
  }

  /** For the process whose clock it is. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** How far it is ahead of the machine's, in seconds. */
  async set(seconds: number): Promise<void> {
    // At once: the process may look at any moment.
    await writeFile(`${this.#file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    await rename(`${this.#file}.new`, this.#file);
  }
}

function library(): string | undefined {
  const roots = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  const folders = roots.flatMap((root) =>
    existsSync(root) ? [root, ...readdirSync(root).map((name) => `${root}/${name}`)] : [],
  );
  return folders.map((folder) => `${folder}/faketime/libfaketimeMT.so.1`).find((path) => existsSync(path));
}
