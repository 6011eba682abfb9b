/** The command as it is shipped, run as a process. Looks at dist/, so that comes first: `npm run build`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../../cli/doctor/finding.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const COMMAND = join(REPOSITORY, 'dist/cli.js');
/** Of the user who owns nothing. */
export const NOBODY = 65_534;
export const NODE_HAS_SQLITE = process.getBuiltinModule('node:sqlite') !== undefined;

export interface HawserOptions {
  /** @default the one in dist/ */
  readonly command?: string;
  /** @default this one */
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: number;
}

export interface Answer {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

export async function hawser(parameters: readonly string[], options: HawserOptions = {}): Promise<Answer> {
  const { command = COMMAND, node = process.execPath, env = {}, cwd = REPOSITORY, user } = options;
  assert.ok(existsSync(COMMAND), 'dist/ is missing: run npm run build');
  const child = spawn(node, [command, ...parameters], {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  await once(child, 'close');
  return { status: child.exitCode, output, errors };
}

export interface Diagnosis extends Answer {
  readonly findings: readonly Finding[];
  /** The one finding of that name. */
  readonly of: (name: string) => Finding;
}

/** `hawser doctor … --json`. What it says of itself, it must have said as promised. */
export async function doctor(parameters: readonly string[], options: HawserOptions = {}): Promise<Diagnosis> {
  const answer = await hawser(['doctor', ...parameters, '--json'], options);
  assert.equal(answer.errors, '');
  const { findings } = JSON.parse(answer.output) as { findings: Finding[] };
  for (const { name, verdict, found, remedy } of findings) {
    assert.match(name, /^[a-z]+$/);
    assert.match(found, /\w/);
    assert.equal(remedy === undefined, verdict === 'ok', `${name}: ${verdict} with the remedy ${String(remedy)}`);
  }
  assert.equal(answer.status, findings.some(({ verdict }) => verdict === 'problem') ? 1 : 0);
  return {
    ...answer,
    findings,
    of: (name) => {
      const found = findings.filter((finding) => finding.name === name);
      assert.equal(found.length, 1, `${found.length} findings are called ${name}: ${answer.output}`);
      return found[0] as Finding;
    },
  };
}

/**
 * hawser installed in a folder of its own with what it needs and no optional package; the path of its command.
 * @param packages files by their paths in node_modules, for packages beside it
 */
export async function installedAlone(
  context: TestContext,
  packages: Readonly<Record<string, string>> = {},
): Promise<string> {
  const modules = join(await temporaryDirectory(context), 'node_modules');
  mkdirSync(join(modules, 'hawser'), { recursive: true });
  cpSync(join(REPOSITORY, 'dist'), join(modules, 'hawser/dist'), { recursive: true });
  cpSync(join(REPOSITORY, 'package.json'), join(modules, 'hawser/package.json'));
  for (const name of ['ws', 'node-forge']) symlinkSync(join(REPOSITORY, 'node_modules', name), join(modules, name));
  for (const [path, text] of Object.entries(packages)) {
    mkdirSync(join(modules, path, '..'), { recursive: true });
    writeFileSync(join(modules, path), text);
  }
  return join(modules, 'hawser/dist/cli.js');
}
