/**
 * A copy of the package that an emulated Node can run as it stands: `src/`, `transports/` and `test/` as JavaScript, since
 * the compiler that runs them otherwise is a program for this processor; dist/ as it was built; and the packages that it needs, with
 * the add-ons for ARM. One copy serves every architecture.
 */
import { chmod, copyFile, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = join(root, 'node_modules');
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Fills `folder`.
 * @param machines each a target with the paths of its `nodeFolder`, its add-on `sqlite3` and the library `termios2`
 */
export async function makeStage(folder, machines) {
  for (const name of ['src', 'transports', 'test']) await compile(join(root, name), join(folder, name));
  for (const name of ['package.json', 'README.md', 'dist', 'scripts'])
    await cp(join(root, name), join(folder, name), { recursive: true });
  await linkModules(join(folder, 'node_modules'));
  await addSqlite3(join(folder, 'node_modules/sqlite3'), machines);
  for (const machine of machines) await addRunner(runnerOf(folder, machine), machine);
}

/** The program in a stage that is that machine's Node, to whoever starts it. */
export function runnerOf(folder, { name }) {
  return join(folder, 'bin', name, 'node');
}

async function compile(from, to) {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await compile(source, target);
    else if (!entry.name.endsWith('.ts')) await copyFile(source, target);
    else {
      const text = await readFile(source, 'utf8');
      const options = {
        loader: 'ts',
        target: 'node20',
        sourcefile: source,
        sourcemap: 'inline',
        sourcesContent: false,
      };
      await writeFile(target.replace(/\.ts$/, '.js'), (await transform(text, options)).code);
    }
  }
}

/** All but the two that are others there. */
async function linkModules(folder) {
  await mkdir(join(folder, 'tsx'), { recursive: true });
  for (const name of await readdir(modules))
    if (!name.startsWith('.') && !['sqlite3', 'tsx'].includes(name))
      await symlink(join(modules, name), join(folder, name));
  // Tests start other programs with `--import tsx`. These are compiled too, so there is nothing left to do for it.
  await writeFile(join(folder, 'tsx/package.json'), '{ "type": "module", "exports": "./index.js" }');
  await writeFile(join(folder, 'tsx/index.js'), '');
}

/** The add-ons lie where `bindings` looks for that of the Node that asks. */
async function addSqlite3(folder, machines) {
  await mkdir(folder, { recursive: true });
  for (const name of ['package.json', 'lib'])
    await cp(join(modules, 'sqlite3', name), join(folder, name), { recursive: true });
  for (const { arch, nodeFolder, sqlite3 } of machines) {
    const header = await readFile(join(nodeFolder, 'include/node/node_version.h'), 'utf8');
    const abi = /^#define NODE_MODULE_VERSION (\d+)/m.exec(header)?.[1];
    const place = join(folder, 'lib/binding', `node-v${abi}-linux-${arch}`);
    await mkdir(place, { recursive: true });
    await copyFile(sqlite3, join(place, 'node_sqlite3.node'));
  }
}

/** A script, since what it starts is found in `process.execPath` again: no binfmt_misc, and so no root, is needed. */
async function addRunner(path, { emulator, sysroot, nodeFolder, termios2, node }) {
  const older = node.isOlder ? ['--expose-internals', '--require', beside('older-node.cjs')] : [];
  const options = [...older, '--require', beside('emulated.cjs')];
  const command = [emulator, '-L', sysroot, '-E', `LD_PRELOAD=${termios2}`, join(nodeFolder, 'bin/node'), ...options]
    .map(quoted)
    .join(' ');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\nHAWSER_ARM_RUNNER=${quoted(path)} exec ${command} "$@"\n`);
  await chmod(path, 0o755);
}

/** For the shell. */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
