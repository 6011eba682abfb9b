/** The rules of the house, over the repository; and over made-up sources, one for each way to break them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { breaches, type PackageFacts } from './rules.js';
import { readSources } from './sources.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

function packageFacts(): PackageFacts {
  const manifest = JSON.parse(readFileSync(`${repository}package.json`, 'utf8'));
  return {
    publicNames: Object.keys(manifest.exports).map((subpath) => `hawser${subpath.slice(1)}`),
    shippedDependencies: Object.keys({
      ...manifest.dependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies,
    }),
  };
}

const MADE_UP: PackageFacts = { publicNames: ['hawser', 'hawser/websocket'], shippedDependencies: ['ws', 'sqlite3'] };

/** Files that the made-up imports may mean, so that only the rule under test is broken. */
const NEIGHBOURS = Object.fromEntries(
  [
    ...['base', 'blip', 'revision', 'security', 'storage', 'database', 'endpoint', 'replicator'].map(
      (room) => `src/${room}/index.ts`,
    ),
    ...['src/index.ts', 'src/errors.ts', 'src/base/clock.ts', 'src/blip/frame.ts', 'src/database/collection.ts'],
    ...[
      'transports/link/index.ts',
      'transports/link/window.ts',
      'transports/mqtt/index.ts',
      'test/conformance/cases.ts',
    ],
  ].map((path) => [path, 'export {};']),
);

function judge(path: string, text: string): string[] {
  return breaches(new Map(Object.entries({ ...NEIGHBOURS, [path]: text })), MADE_UP);
}

describe('the checker refuses', () => {
  const cases: readonly [title: string, path: string, text: string, complaint: RegExp][] = [
    [
      'an arrow upwards',
      'src/database/x.ts',
      `import { R } from '../replicator/index.js';`,
      /database may not import replicator/,
    ],
    [
      'an arrow upwards for a type',
      'src/storage/x.ts',
      `import type { D } from '../database/index.js';`,
      /storage may not/,
    ],
    ['an arrow sideways', 'src/endpoint/x.ts', `export * from '../blip/index.js';`, /endpoint may not import blip/],
    [
      'an arrow upwards in a type expression',
      'src/base/x.ts',
      `export type B = import('../blip/index.js').B;`,
      /base may not/,
    ],
    [
      'an arrow upwards at run time',
      'src/base/x.ts',
      `export const b = import('../blip/index.js');`,
      /base may not import blip/,
    ],
    [
      'a room entered past its index.ts',
      'src/blip/x.ts',
      `import { Clock } from '../base/clock.js';`,
      /enters the room base past/,
    ],
    [
      'a room entered past its index.ts by the door',
      'src/index.ts',
      `export * from './base/clock.js';`,
      /enters the room base past/,
    ],
    ['the door imported from within', 'src/blip/x.ts', `import { X } from '../index.js';`, /public door from within/],
    ['errors.ts with imports', 'src/errors.ts', `import { X } from './base/index.js';`, /stands below every room/],
    [
      'a room that is not in the list',
      'src/misc/x.ts',
      `import { X } from '../base/index.js';`,
      /misc is not in the list/,
    ],
    ['a door that does something', 'src/index.ts', `export const x = 1;`, /only re-exports/],
    [
      'security at run time in the replicator',
      'src/replicator/x.ts',
      `import { T } from '../security/index.js';`,
      /but for its types/,
    ],
    [
      'a transport in src',
      'src/endpoint/x.ts',
      `import { X } from '../../transports/mqtt/index.js';`,
      /outside of src/,
    ],
    [
      'a transport in another',
      'transports/websocket/x.ts',
      `import { X } from '../mqtt/index.js';`,
      /of another transport/,
    ],
    [
      'a room of src in a transport',
      'transports/websocket/x.ts',
      `import { X } from '../../src/blip/index.js';`,
      /through src\/index/,
    ],
    ['link past its index.ts', 'transports/mqtt/x.ts', `import { X } from '../link/window.js';`, /room link past/],
    ['a file that does not exist', 'src/blip/x.ts', `import { X } from './nowhere.js';`, /no source file/],
    [
      'a package that is no dependency',
      'src/database/x.ts',
      `import x from 'left-pad';`,
      /left-pad, which is no dependency/,
    ],
    ['a built-in module without its prefix', 'src/database/x.ts', `import fs from 'fs';`, /fs, which is no dependency/],
    [
      'ws outside its transport',
      'src/endpoint/x.ts',
      `import { WebSocket } from 'ws';`,
      /only transports\/websocket\/ knows ws/,
    ],
    ['a type of ws outside its transport', 'src/endpoint/x.ts', `import type { WebSocket } from 'ws';`, /knows ws/],
    [
      'a driver outside storage/sqlite',
      'src/storage/x.ts',
      `const s = await import('sqlite3');`,
      /knows an SQLite driver/,
    ],
    ['a driver by require', 'src/storage/x.ts', `const s = localRequire('node:sqlite');`, /knows an SQLite driver/],
    [
      'a driver by require.resolve',
      'src/database/x.ts',
      `const s = require.resolve('sqlite3/x.js');`,
      /knows an SQLite driver/,
    ],
    [
      'a driver by getBuiltinModule',
      'src/database/x.ts',
      `const s = process.getBuiltinModule('node:sqlite');`,
      /SQLite driver/,
    ],
    [
      'node-forge outside security',
      'src/endpoint/x.ts',
      `const f = import('node-forge');`,
      /only src\/security\/ knows node-forge/,
    ],
    [
      'await in a pure room',
      'src/blip/x.ts',
      `export const f = (p: unknown) => { for await (const x of p) {} };`,
      /uses await in a pure/,
    ],
    ['async in a pure room', 'src/revision/x.ts', `export async function f() {}`, /uses async in a pure room/],
    [
      'a timer in a pure room',
      'src/delta/x.ts',
      `export const f = (g: () => void) => setTimeout(g, 1);`,
      /uses setTimeout/,
    ],
    [
      'the clock in a pure room',
      'transports/link/machine/x.ts',
      `export const f = () => Date.now();`,
      /uses Date in a pure room/,
    ],
    [
      'the monotonic clock in a pure room',
      'src/blip/x.ts',
      `export const f = () => performance.now();`,
      /uses performance/,
    ],
    ['a date in a pure room', 'src/blip/x.ts', `export const f = () => new Date();`, /uses new Date/],
    ['dice in a pure room', 'src/blip/x.ts', `export const f = () => Math.random();`, /uses Math.random/],
    ['dice of node:crypto', 'src/blip/x.ts', `import { randomBytes } from 'node:crypto';`, /uses randomBytes/],
    ['the clock of base', 'src/blip/x.ts', `import { systemClock } from '../base/index.js';`, /uses systemClock/],
    ['a socket in a pure room', 'src/blip/x.ts', `import net from 'node:net';`, /imports node:net in a pure room/],
    ['a package in a pure room', 'src/blip/x.ts', `import sqlite3 from 'sqlite3';`, /imports sqlite3 in a pure room/],
    [
      'an inner name in an example',
      'device-examples/v/x.ts',
      `import { X } from '../../src/index.js';`,
      /outside of its own folder/,
    ],
    [
      'a file of another example',
      'device-examples/v/x.ts',
      `import { X } from '../w/y.js';`,
      /outside of its own folder/,
    ],
    [
      'a file of an example in what they share',
      'device-examples/shared/x.ts',
      `import { X } from '../w/y.js';`,
      /outside of its own folder/,
    ],
    ['a name that is not exported', 'device-examples/v/x.ts', `import { X } from 'hawser/blip';`, /no public name/],
    ['an inner name in the command', 'cli/x.ts', `import { X } from '../src/index.js';`, /outside of its own folder/],
    ['a name that is not exported, in the command', 'cli/x.ts', `import { X } from 'hawser/blip';`, /no public name/],
    ['a package that is no dependency, in the command', 'cli/x.ts', `import x from 'left-pad';`, /is no dependency/],
    ['a package in hawser/testing', 'test/conformance/index.ts', `import { X } from 'ws';`, /may not import ws/],
  ];
  for (const [title, path, text, complaint] of cases) {
    test(title, () => {
      const found = judge(path, text);
      assert.ok(
        found.some((line) => line.startsWith(`${path}:1: `) && complaint.test(line)),
        `expected ${String(complaint)}, got ${JSON.stringify(found)}`,
      );
    });
  }

  test('two files that import each other at run time', () => {
    const sources = new Map([
      ['src/blip/a.ts', `import { b } from './b.js';`],
      ['src/blip/b.ts', `import { c } from './c.js';`],
      ['src/blip/c.ts', `import { a } from './a.js';`],
    ]);
    assert.deepEqual(breaches(sources, MADE_UP), [
      'src/blip/a.ts:1: cycle src/blip/a.ts → src/blip/b.ts → src/blip/c.ts → src/blip/a.ts',
    ]);
  });

  test('an inner file behind another file of hawser/testing', () => {
    const sources = new Map([
      ['test/conformance/index.ts', `export * from './cases.js';`],
      ['test/conformance/cases.ts', `\nimport { X } from '../../src/blip/frame.js';`],
      ['src/blip/frame.ts', ''],
    ]);
    assert.deepEqual(breaches(sources, MADE_UP), [
      'test/conformance/cases.ts:2: hawser/testing is shipped and may not import ../../src/blip/frame.js',
    ]);
  });
});

describe('the checker accepts', () => {
  const cases: readonly [title: string, path: string, text: string][] = [
    ['an arrow downwards', 'src/database/x.ts', `import { S } from '../storage/index.js';`],
    ['an arrow over several steps', 'src/replicator/x.ts', `import { B } from '../base/index.js';`],
    ['public names and shipped packages in the command', 'cli/x.ts', `import 'hawser/websocket'; import 'sqlite3';`],
    ['errors.ts from anywhere', 'src/revision/x.ts', `import { HawserError } from '../errors.js';`],
    ['errors.ts from a sub-folder', 'src/storage/sqlite/x.ts', `import { HawserError } from '../../errors.js';`],
    ['the own room past its index.ts', 'src/blip/deep/x.ts', `import { F } from '../frame.js';`],
    ['types of security in the replicator', 'src/replicator/x.ts', `import type { T } from '../security/index.js';`],
    ['a driver at home', 'src/storage/sqlite/x.ts', `const s = await import('sqlite3');`],
    [
      'zlib and hashes in a pure room',
      'src/blip/x.ts',
      `import z from 'node:zlib'; import { createHash } from 'node:crypto';`,
    ],
    [
      'the words of time in comments and strings',
      'src/blip/x.ts',
      `/* await setTimeout */ export const x = 'Date.now()';`,
    ],
    [
      'members that are called like globals',
      'src/blip/x.ts',
      `export const f = (a: { process: () => void }) => a.process();`,
    ],
    [
      'the door and link in a transport',
      'transports/mqtt/x.ts',
      `export * from '../../src/index.js'; import '../link/index.js';`,
    ],
    ['the library of a transport', 'transports/websocket/x.ts', `import { WebSocket } from 'ws';`],
    [
      'public names and own files in an example',
      'device-examples/v/x.ts',
      `import 'hawser/websocket'; import './hawser.js';`,
    ],
    ['what examples share in one of them', 'device-examples/v/x.ts', `import '../shared/program.js';`],
  ];
  for (const [title, path, text] of cases) {
    test(title, () => {
      const own = { 'device-examples/v/hawser.ts': '', 'device-examples/shared/program.ts': '' };
      assert.deepEqual(breaches(new Map(Object.entries({ ...NEIGHBOURS, ...own, [path]: text })), MADE_UP), []);
    });
  }
});

test('the checker accepts two files that know each other by type', () => {
  const sources = new Map([
    ['src/blip/a.ts', `import { b } from './b.js';`],
    ['src/blip/b.ts', `import type { A } from './a.js';`],
  ]);
  assert.deepEqual(breaches(sources, MADE_UP), []);
});

test('the repository keeps the rules of the house', () => {
  const sources = readSources(repository, [
    'src',
    'transports',
    'cli',
    'device-examples',
    'test/conformance',
    'test/support',
  ]);
  assert.ok(sources.has('src/errors.ts') && sources.size > 20, 'the sources were not found');
  assert.deepEqual(breaches(sources, packageFacts()), []);
});
