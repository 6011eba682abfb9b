/** The add-on of `sqlite3` for an ARM machine, compiled here from the source that npm has installed. */
import { readFileSync } from 'node:fs';
import { copyFile, cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, isCached } from './cache.mjs';
import { runOrThrow } from './run-program.mjs';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version;
const entryName = ({ name, node }) => `sqlite3-${versionOf('sqlite3')}-${name}-node-${node.version}`;

export function isSqlite3Built(target) {
  return isCached(entryName(target));
}

/** Resolves to the path of the add-on. */
export async function armSqlite3(target, nodeFolder) {
  const folder = await cached(entryName(target), async (making) => {
    console.log(`Compiling sqlite3 for ${target.name} (two to four minutes, once).`);
    const source = join(making, 'node_modules/sqlite3');
    await mkdir(source, { recursive: true });
    for (const part of ['package.json', 'binding.gyp', 'deps', 'src'])
      await cp(join(modules, 'sqlite3', part), join(source, part), { recursive: true });
    const tool = (name) => `${target.toolchain}${name}`;
    // Files are generated beside this one, wherever it is.
    await cp(join(modules, 'node-addon-api'), join(making, 'node_modules/node-addon-api'), { recursive: true });
    // What else the build asks for lies where npm installed it.
    const env = {
      ...process.env,
      NODE_PATH: modules,
      CC: tool('gcc'),
      CXX: tool('g++'),
      AR: tool('ar'),
      LINK: tool('g++'),
    };
    const args = [
      join(modules, 'node-gyp/bin/node-gyp.js'),
      'rebuild',
      `--arch=${target.arch}`,
      `--nodedir=${nodeFolder}`,
    ];
    await runOrThrow(`Compiling sqlite3 for ${target.name}`, process.execPath, args, { cwd: source, env, minutes: 12 });
    await rename(join(source, 'build/Release/node_sqlite3.node'), join(making, 'node_sqlite3.node'));
    await copyFile(join(modules, 'sqlite3/LICENSE'), join(making, 'LICENSE'));
    await rm(join(making, 'node_modules'), { recursive: true });
  });
  return join(folder, 'node_sqlite3.node');
}
