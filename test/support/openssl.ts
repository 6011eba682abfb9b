/** The `openssl` command as another producer and judge of keys and certificates, where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from './temporary-directory.js';

export interface OpenSsl {
  /** The path of a file with that content, in a folder of the test's own. */
  readonly file: (name: string, content?: string | Uint8Array) => string;
  /** What the command printed; throws with what it said if it failed. */
  readonly run: (...args: readonly string[]) => string;
}

const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '';
/** For the options of a test: false, or why it is skipped. */
export const withoutOpenSsl = version.startsWith('OpenSSL 3') ? false : 'there is no openssl command of version 3 here';

export async function openSsl(context: TestContext): Promise<OpenSsl> {
  const folder = await temporaryDirectory(context);
  return {
    file: (name, content) => {
      const path = join(folder, name);
      if (content !== undefined) writeFileSync(path, content);
      return path;
    },
    run: (...args) => execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
  };
}
