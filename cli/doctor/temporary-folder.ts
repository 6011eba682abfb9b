/** The one thing that the doctor writes: a folder of its own, removed at the end, also when it is interrupted. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';

/** A new folder in `parent`; undefined if none can be made there, or not within 15 s. */
export async function usableFolder(parent: string): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      isLate = true;
      resolve(undefined);
    }, 15_000);
  });
  const made = mkdtemp(join(parent, '.hawser-doctor-')).catch(() => undefined);
  void made.then((folder) => {
    if (isLate && folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  return Promise.race([made, late]).finally(() => clearTimeout(timer));
}

/** Runs `work` and removes the folder, whatever comes. */
export async function whileThereIs(
  folder: string | undefined,
  work: (folder: string | undefined) => Promise<void>,
): Promise<void> {
  const remove = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals): void => {
    remove();
    process.exit(128 + (signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 1));
  };
  for (const signal of signals) process.once(signal, onSignal);
  process.once('exit', remove); // also where nobody reads any more, as in `| head`
  try {
    await work(folder);
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
    process.off('exit', remove);
    remove();
  }
}
