/** One process at a time: the second is told DATABASE_BUSY, whatever it wants. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Database } from '../../src/database/index.js';
import { startChild } from '../support/child-process.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openAt, refuses } from './fixtures.js';

test('a database that another process has open is DATABASE_BUSY to open and to delete, until that process is gone', async (context) => {
  const path = `${await temporaryDirectory(context)}/vessel`;
  const child = startChild(context, 'database-child.ts', [path]);
  assert.equal(await child.line(), 'open', child.errors());
  const error = await refuses(Database.open(path), 'DATABASE_BUSY', path);
  assert.deepEqual([error.domain, error.number, error.retryable], ['CouchbaseLite', 16, true]);
  await refuses(Database.open(path, { fullSync: true }), 'DATABASE_BUSY', path);
  await refuses(Database.delete(path), 'DATABASE_BUSY', path);
  assert.equal(await Database.exists(path), true);
  await child.kill();
  const database = await openAt(context, path);
  await database.collection().save('a', {});
  assert.deepEqual(await database.integrityCheck(), []);
});

test('a database that this process has open is DATABASE_BUSY to another, until the last Database object is closed', async (context) => {
  const path = `${await temporaryDirectory(context)}/vessel`;
  const first = await openAt(context, path);
  const second = await openAt(context, path);
  const ask = async (): Promise<string | undefined> => {
    const child = startChild(context, 'database-child.ts', [path]);
    const answer = await child.line();
    await child.finish();
    return answer;
  };
  assert.equal(await ask(), 'DATABASE_BUSY');
  await first.close();
  assert.equal(await ask(), 'DATABASE_BUSY');
  await second.close();
  assert.equal(await ask(), 'open');
  assert.equal(await Database.delete(path), true);
  assert.equal(existsSync(path), false);
});
