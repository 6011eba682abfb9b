/** Which SQLite library is used, and what is said when there is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHawserError } from '../../src/errors.js';
import { openStorage } from '../../src/storage/index.js';
import { startChild } from '../support/child-process.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const hasNodeSqlite = process.getBuiltinModule('node:sqlite') !== undefined;

test('node:sqlite where Node has none is STORAGE_DRIVER_MISSING with what to do', async (context) => {
  if (hasNodeSqlite) return context.skip('this Node has node:sqlite');
  const directory = await temporaryDirectory(context);
  const opening = openStorage({ directory, fullSync: false, driver: 'node:sqlite' });
  const error: unknown = await opening.catch((reason: unknown) => reason);
  assert.ok(isHawserError(error));
  assert.equal(error.code, 'STORAGE_DRIVER_MISSING');
  assert.match(error.message, /node:sqlite/);
  assert.match(error.hint, /npm install sqlite3/);
});

test('without the package sqlite3, auto takes node:sqlite or says STORAGE_DRIVER_MISSING', async (context) => {
  const directory = await temporaryDirectory(context);
  const hook = new URL('../support/without-sqlite3.mjs', import.meta.url).href;
  const child = startChild(context, 'storage-child.ts', ['open', directory], ['--import', hook]);
  assert.equal(await child.line(), hasNodeSqlite ? 'node:sqlite' : 'STORAGE_DRIVER_MISSING', child.errors());
});

test('with the package sqlite3, auto takes it', async (context) => {
  const child = startChild(context, 'storage-child.ts', ['open', await temporaryDirectory(context)]);
  assert.equal(await child.line(), 'sqlite3', child.errors());
});
