/** The doctor on this machine, and on the same machine where something is missing. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { doctor, hawser, installedAlone, NODE_HAS_SQLITE, REPOSITORY } from './run-hawser.js';

const usual = { timeout: 120_000 };

describe('on a machine where all is well', () => {
  test('every check has an answer, and nothing is left behind', usual, async (context) => {
    const folder = await temporaryDirectory(context);
    const { status, findings, of } = await doctor([folder]);
    assert.equal(status, 0);
    const names = ['node', 'machine', 'memory', 'clock', 'sqlite', 'folder', 'flushing', 'database', 'sync'];
    for (const name of names) assert.notEqual(of(name).verdict, 'problem');
    assert.equal(findings.filter(({ name }) => name === 'packages').length, 3);
    assert.ok(findings.some(({ name }) => name === 'serial'));
    assert.match(of('sqlite').found, /^SQLite \d+\.\d+\.\d+, of the package sqlite3\.$/);
    assert.match(of('database').found, /saved, read and deleted with sqlite3/);
    assert.match(of('sync').found, /^A document was synced over wss on this machine in \d+ ms \(sqlite3\)/);
    assert.deepEqual(readdirSync(folder), []);
  });

  test('it is said for a serial console: 80 columns, no colours, ASCII', usual, async (context) => {
    const folder = await temporaryDirectory(context);
    const { status, output, errors } = await hawser(['doctor', folder]);
    assert.deepEqual({ status, errors }, { status: 0, errors: '' });
    assert.match(output, /^hawser \d/);
    assert.match(output, /^(ok|warning) {2,}sync {2,}A document was synced/m);
    assert.match(output, /(hawser works here|Everything is in order)\.\n$/);
    assert.match(output.replaceAll(folder, ''), /^[\n -~]*$/);
    for (const line of output.split('\n')) assert.ok(line.length < 80 || line.includes(folder), line);
  });

  test('the working directory is looked at where no folder is named', usual, async (context) => {
    const folder = await temporaryDirectory(context);
    assert.ok((await doctor([], { cwd: folder })).of('folder').found.startsWith(`${folder} is on `));
  });
});

describe('where there is no sqlite3', () => {
  /** A PATH with Node and nothing else. */
  async function bare(context: Parameters<typeof temporaryDirectory>[0]): Promise<{ PATH: string }> {
    const PATH = await temporaryDirectory(context);
    symlinkSync(process.execPath, join(PATH, 'node'));
    return { PATH };
  }
  const expected = NODE_HAS_SQLITE ? /node:sqlite/ : /^There is no SQLite: /;

  test('because it is not installed, it says so and what it takes', usual, async (context) => {
    const command = await installedAlone(context);
    const { of, findings } = await doctor([await temporaryDirectory(context)], { command, env: await bare(context) });
    const { verdict, found, remedy } = of('sqlite');
    assert.match(found, expected);
    assert.match(found, /the package sqlite3 is not installed/);
    if (NODE_HAS_SQLITE) {
      assert.equal(verdict, 'ok');
      assert.match(of('sync').found, /\(node:sqlite\)/);
      return;
    }
    assert.equal(verdict, 'problem');
    assert.match(found, /this machine lacks a C\+\+ compiler, make, python3\. There is no npm\./);
    assert.match(remedy ?? '', /Node 24.*npm install sqlite3/);
    assert.ok(!findings.some(({ name }) => name === 'database' || name === 'sync'), 'tried without SQLite');
    assert.match(of('flushing').found, /fsync/);
  });

  test('and no optional package, it says what they are for', usual, async (context) => {
    const { findings } = await doctor([await temporaryDirectory(context)], { command: await installedAlone(context) });
    const packages = findings.filter(({ name }) => name === 'packages');
    assert.equal(packages.length, 3);
    for (const { verdict, found } of packages) {
      assert.equal(verdict, 'ok');
      assert.match(found, /is not installed: only hawser\/(mqtt|serial) needs it \(npm install /);
    }
  });

  test('because install scripts are off, it says so', usual, async (context) => {
    if (NODE_HAS_SQLITE) return context.skip('this Node has an SQLite, so the reason does not matter');
    const env = { npm_config_ignore_scripts: 'true' };
    const { of } = await doctor([await temporaryDirectory(context)], { command: await installedAlone(context), env });
    assert.match(of('sqlite').found, /npm is told to run no install scripts/);
    assert.match(of('sqlite').remedy ?? '', /npm config set ignore-scripts false/);
  });

  const broken: readonly [title: string, files: Readonly<Record<string, string>>, found: RegExp, remedy: RegExp][] = [
    [
      'because its install script did not run',
      { 'sqlite3/index.js': `throw new Error('Could not locate the bindings file. Tried:\\n → here')` },
      /was never built/,
      /npm rebuild sqlite3/,
    ],
    [
      'because it was copied without what it needs',
      { 'sqlite3/index.js': `require('bindings')` },
      /is there, but incomplete \(Cannot find module 'bindings'\)/,
      /npm install sqlite3/,
    ],
    [
      'because it was copied from another machine',
      { 'sqlite3/index.js': `require('./sqlite3.node')`, 'sqlite3/sqlite3.node': 'not a library' },
      /was built for another machine \(.*(invalid ELF header|file too short)/,
      /npm rebuild sqlite3/,
    ],
    [
      'because its machine code is for another processor',
      { 'sqlite3/index.js': `process.kill(process.pid, 'SIGILL')` },
      /ends Node \(SIGILL\)/,
      /Remove node_modules\/sqlite3/,
    ],
  ];
  for (const [title, files, found, remedy] of broken) {
    test(`${title}, it says so`, usual, async (context) => {
      const command = await installedAlone(context, files);
      const { of } = await doctor([await temporaryDirectory(context)], { command });
      const sqlite = of('sqlite');
      assert.equal(sqlite.verdict, NODE_HAS_SQLITE && !title.includes('processor') ? 'warning' : 'problem');
      assert.match(sqlite.found, found);
      assert.match(sqlite.remedy ?? '', remedy);
    });
  }
});

describe('where an optional package', () => {
  test('is too old, it says so', usual, async (context) => {
    const command = await installedAlone(context, {
      'mqtt/package.json': '{ "name": "mqtt", "version": "4.3.8", "main": "index.js" }',
      'mqtt/index.js': '',
    });
    const { findings } = await doctor([await temporaryDirectory(context)], { command });
    const { verdict, found, remedy } = findings.find((finding) => finding.found.startsWith('mqtt '))!;
    assert.equal(verdict, 'warning');
    assert.match(found, /^mqtt 4\.3\.8 is not a version/);
    assert.match(remedy ?? '', /^npm install mqtt@\^5/);
  });

  test('is there and does not load, it says so', usual, async (context) => {
    const command = await installedAlone(context, {
      'mqtt/package.json': '{ "name": "mqtt", "version": "5.16.0", "main": "index.js" }',
      'mqtt/index.js': `throw new Error('it is broken\\nhere')`,
    });
    const { findings } = await doctor([await temporaryDirectory(context)], { command });
    const { verdict, found } = findings.find((finding) => finding.found.startsWith('mqtt '))!;
    assert.equal(verdict, 'warning');
    assert.match(found, /^mqtt 5\.16\.0 does not load, so hawser\/mqtt cannot be used: it is broken\.$/);
  });
});

test('where the clock begins at 1970, that is a problem', usual, async (context) => {
  const hook = join(await temporaryDirectory(context), 'clock.mjs');
  writeFileSync(
    hook,
    'const now = Date.now(); Date.now = () => performance.timeOrigin + performance.now() - now + 60_000;',
  );
  const env = { NODE_OPTIONS: `--import ${hook}` };
  const { status, of } = await doctor([await temporaryDirectory(context)], { env });
  assert.equal(status, 1);
  assert.match(of('clock').found, /^1970-01-01 00:0\d:\d\d UTC, .*before this package was built/);
  assert.match(of('clock').remedy ?? '', /Set the clock/);
});

test('what it knows of the package is what package.json says', () => {
  const { peerDependencies } = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  // The only kind of range that it understands.
  for (const range of Object.values(peerDependencies)) assert.match(range, /^\^[1-9]\d*\.\d+\.\d+$/);
});

test('a folder of its own is removed when it is interrupted', usual, async (context) => {
  const folder = await temporaryDirectory(context);
  mkdirSync(join(folder, 'data'));
  const hook = join(folder, 'interrupt.mjs');
  // As soon as the folder is there, and before it is removed again.
  writeFileSync(
    hook,
    `import { syncBuiltinESMExports } from 'node:module';
     import fs from 'node:fs/promises';
     const { mkdtemp } = fs;
     fs.mkdtemp = async (...all) => { const made = await mkdtemp(...all); setImmediate(() => process.kill(process.pid, 'SIGTERM')); return made; };
     syncBuiltinESMExports();`,
  );
  const { status } = await hawser(['doctor', join(folder, 'data')], { env: { NODE_OPTIONS: `--import ${hook}` } });
  assert.equal(status, 143);
  assert.deepEqual(readdirSync(join(folder, 'data')), []);
});
