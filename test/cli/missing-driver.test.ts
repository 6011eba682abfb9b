/** What a program is told that opens a database where there is no SQLite. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { installedAlone } from './run-hawser.js';

const OPENING = `
  const { Database } = await import('hawser');
  await Database.open(process.argv[1], { driver: 'sqlite3' }).catch(({ code, message }) => console.log(code, message));`;

describe('the package sqlite3', () => {
  const cases: readonly [title: string, files: Readonly<Record<string, string>>, message: string][] = [
    ['that is not installed', {}, 'the package sqlite3 is not installed'],
    [
      'whose install script did not run',
      { 'sqlite3/index.js': `throw new Error('Could not locate the bindings file. Tried:\\n → here')` },
      'the package sqlite3 is there but was never built',
    ],
    [
      'that lacks what it needs',
      { 'sqlite3/index.js': `require('bindings')` },
      "the package sqlite3 cannot be loaded (Cannot find module 'bindings')",
    ],
  ];
  for (const [title, files, message] of cases) {
    test(`${title} is told as that, with the way on`, { timeout: 60_000 }, async (context) => {
      const folder = join(dirname(await installedAlone(context, files)), '../../..');
      const parameters = ['--input-type=module', '--eval', OPENING, join(folder, 'database')];
      const { stdout, stderr } = spawnSync(process.execPath, parameters, { cwd: folder, encoding: 'utf8' });
      const advice = 'npx hawser doctor says what this machine lacks';
      assert.equal(stdout, `STORAGE_DRIVER_MISSING ${message}: ${advice}\n`, stderr);
    });
  }
});
