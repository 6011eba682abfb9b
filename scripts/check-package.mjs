/**
 * Checks the package as a user would get it: packs it into a temporary folder, lets publint and attw judge the tarball,
 * and type-checks a small strict consumer against it, with no other types at hand than those of Node. Needs dist/ and no
 * network.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Runs a program quietly; its output is shown when it fails. */
function run(what, command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw new Error(`${what} failed${error === undefined ? '' : `: ${error.message}`}`);
}

/** Runs the program of an installed package. */
function runInstalled(what, path, args) {
  run(what, process.execPath, [join(root, 'node_modules', path), ...args]);
}

/** A user's project in both module systems that imports every subpath and checks our declaration files too. */
function checkConsumer(folder, tarball) {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, name), { recursive: true });
  run('tar', 'tar', ['-xzf', tarball, '-C', join(modules, name), '--strip-components=1']);
  mkdirSync(join(modules, '@types'));
  symlinkSync(join(root, 'node_modules/@types/node'), join(modules, '@types/node'), 'dir');
  const subpaths = Object.keys(exports).filter((subpath) => !subpath.endsWith('.json'));
  const source = subpaths.map((subpath, index) => `export * as entry${index} from '${name}${subpath.slice(1)}';\n`);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  for (const file of ['consumer.mts', 'consumer.cts']) writeFileSync(join(folder, file), source.join(''));
  const compilerOptions = { strict: true, target: 'ES2022', module: 'Node16', noEmit: true, types: ['node'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }));
  runInstalled('The type check of a consumer', 'typescript/bin/tsc', ['-p', folder]);
}

const folder = mkdtempSync(join(tmpdir(), 'hawser-package-'));
try {
  if (!existsSync(join(root, 'dist'))) throw new Error('dist/ is missing: run npm run build.');
  run('npm pack', 'npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]);
  const tarball = join(folder, readdirSync(folder)[0] ?? '');
  runInstalled('publint', 'publint/src/cli.js', ['run', tarball, '--strict']);
  runInstalled('attw', '@arethetypeswrong/cli/dist/index.js', [tarball, '--no-definitely-typed', '--format', 'table']);
  checkConsumer(folder, tarball);
  console.log('The package is sound: publint, attw and the type check of a strict consumer agree.');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
