/**
 * The install step of `npm test` and `npm run demo`, so that a fresh clone needs no command before them.
 *
 * Installs what package-lock.json names unless node_modules already holds exactly that, and then makes sure that there
 * is an SQLite to run on: npm drops an optional dependency whose build fails without a word. Plain Node, no packages:
 * it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const MINIMUM_NODE = [20, 17];

/** The packages of a lock file by path, or undefined where there is no readable lock file. */
function lockedPackages(path) {
  try {
    return JSON.parse(readFileSync(`${root}/${path}`, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Why packages must be installed, or undefined when they need not be. npm writes node_modules/.package-lock.json last,
 * with the digest of everything it installed: an installation that was cut short has none or an old one.
 */
function reasonToInstall() {
  if (!existsSync(`${root}/node_modules`)) return 'node_modules is missing';
  const wanted = lockedPackages('package-lock.json');
  if (wanted === undefined) return 'there is no package-lock.json';
  const present = lockedPackages('node_modules/.package-lock.json');
  if (present === undefined) return 'node_modules is incomplete';
  for (const [path, entry] of Object.entries(wanted)) {
    const mayBeAbsent = path === '' || entry.optional || entry.devOptional || entry.peer;
    const found = present[path];
    if (found === undefined ? mayBeAbsent : found.version === entry.version && found.integrity === entry.integrity) {
      continue;
    }
    return `${path} is not the one of package-lock.json`;
  }
  return undefined;
}

/** The error of loading sqlite3, or undefined when it loads. In a process of its own: this one remembers what it missed. */
function sqlite3Problem() {
  const attempt = `try { require('sqlite3'); } catch (error) { console.log(error.message.split('\\n')[0]); }`;
  const { status, signal, stdout } = spawnSync(process.execPath, ['--eval', attempt], { cwd: root, encoding: 'utf8' });
  if (status !== 0) return `loading it ended Node with ${signal ?? `status ${status}`}`;
  return stdout.trim() === '' ? undefined : stdout.trim();
}

/** Node has an SQLite of its own from version 22.13 on. */
function nodeHasSqlite() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}

function install(reason) {
  const command = existsSync(`${root}/package-lock.json`) ? 'ci' : 'install';
  console.log(
    `Installing packages (${reason}): npm ${command}. About two minutes where sqlite3 must be compiled, once.`,
  );
  const env = { ...process.env };
  // The headers of this very Node, where the distribution ships them: building an add-on then downloads nothing.
  if (existsSync('/usr/include/node/node.h')) env.npm_config_nodedir ??= '/usr';
  const npm = process.env.npm_execpath;
  const args = [command, '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, env, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, env, stdio: 'inherit', shell: process.platform === 'win32' });
  if (error !== undefined) fail(`npm could not be started: ${error.message}`);
  if (status !== 0) fail(`npm ${command} failed; its message is above.`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
  fail(`hawser needs Node ${MINIMUM_NODE.join('.')} or later; this is ${process.versions.node}.`);
}

let reason = reasonToInstall();
if (reason === undefined && !nodeHasSqlite()) {
  const problem = sqlite3Problem();
  if (problem !== undefined) reason = `sqlite3 does not load: ${problem}`;
}
if (reason !== undefined) {
  install(reason);
  const problem = sqlite3Problem();
  if (problem !== undefined && nodeHasSqlite()) {
    console.log(`sqlite3 does not load (${problem}); the SQLite of Node ${process.versions.node} is used instead.`);
  } else if (problem !== undefined) {
    fail(
      [
        `sqlite3 was not installed or does not load: ${problem}`,
        `Node ${process.versions.node} has no SQLite of its own, so hawser cannot run here without it.`,
        'npm compiles it where it cannot download it, and drops it silently when that fails. It needs a C++ compiler,',
        'make and python3 (Debian: apt-get install build-essential python3), and install scripts that are not switched',
        'off (npm config get ignore-scripts). Mend that and run the same command again; `npm install sqlite3` shows the',
        'output of the build. Or run on Node 22.13 or later.',
      ].join('\n'),
    );
  }
}
