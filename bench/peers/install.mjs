/**
 * Installs what hawser is compared with into the node_modules of this folder, unless that is there already. Plain Node,
 * no packages. Nothing needs a compiler where LevelDB comes prebuilt; elsewhere it is built from its sources.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** npm writes node_modules/.package-lock.json last: an installation that was cut short has none or an old one. */
function isInstalled() {
  if (!existsSync(`${folder}node_modules/.package-lock.json`)) return false;
  const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map(
    (path) => JSON.parse(readFileSync(folder + path, 'utf8')).packages,
  );
  return Object.entries(wanted).every(
    ([path, { optional, integrity }]) => path === '' || optional || present[path]?.integrity === integrity,
  );
}

if (!isInstalled()) {
  console.log('Installing what hawser is compared with, into bench/peers/node_modules: npm ci.');
  const env = { ...process.env };
  // The headers of this very Node, where the distribution ships them: building an add-on then downloads nothing.
  if (existsSync('/usr/include/node/node.h')) env.npm_config_nodedir ??= '/usr';
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: folder, env, stdio: 'inherit' };
  const { status, error } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (error !== undefined || status !== 0) {
    console.error(error === undefined ? 'npm ci failed; its message is above.' : `npm: ${error.message}`);
    process.exit(1);
  }
}
