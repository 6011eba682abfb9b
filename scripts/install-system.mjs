/**
 * The programs that some tests run against: a broker, and what makes pseudo-terminals. Whoever has them is left alone. What is missing
 * is installed with apt-get only as root and only where it was asked for, by `CI` or `HAWSER_TEST_INSTALL=1`: a test run changes
 * nobody's system. Otherwise the tests in question skip and say what they need.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's packages, by the programs of which one is enough. */
const NEEDS = [
  { programs: ['mosquitto'], packages: ['mosquitto'] },
  { programs: ['python3', 'socat'], packages: ['socat'] },
  // With the library that sets the clock of one process.
  { programs: ['faketime'], packages: ['faketime'] },
  // Power cuts: a file system of its own, and the program that shuts it down.
  { programs: ['mkfs.ext4'], packages: ['e2fsprogs'] },
  { programs: ['python3'], packages: ['python3'] },
];

/** Not every user's PATH has the folder of daemons. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
const isThere = (program) => folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
const missing = NEEDS.filter(({ programs }) => !programs.some(isThere)).flatMap(({ packages }) => packages);

if (missing.length > 0) {
  const isWanted = Boolean(process.env.CI) || process.env.HAWSER_TEST_INSTALL === '1';
  const isRoot = process.getuid?.() === 0;
  if (!isWanted || !isRoot || !isThere('apt-get')) {
    console.log(`Not installed: ${missing.join(', ')}. Tests that need it are skipped.`);
  } else {
    console.log(`Installing with apt-get: ${missing.join(', ')}.`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const run = (...args) =>
      spawnSync('apt-get', ['-q', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status;
    const isDone = run('update') === 0 && run('install', '-y', '--no-install-recommends', ...missing) === 0;
    if (!isDone) console.log('apt-get failed; its message is above. Tests that need the packages are skipped.');
  }
}
