/** The storage on the driver sqlite3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDatabaseDirectory, openStorage } from '../../src/storage/index.js';
import { storageConformance } from '../conformance/storage.conformance.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

test('auto takes sqlite3 where it is installed', async (context) => {
  const storage = await openStorage({ directory: await temporaryDirectory(context), fullSync: false, driver: 'auto' });
  assert.equal(storage.driver, 'sqlite3');
  await storage.close();
});

test('a folder holds a database once one was opened in it', async (context) => {
  const directory = await temporaryDirectory(context);
  assert.equal(await isDatabaseDirectory(directory), false);
  assert.equal(await isDatabaseDirectory(`${directory}/missing`), false);
  const storage = await openStorage({ directory, fullSync: false, driver: 'sqlite3' });
  assert.equal(await isDatabaseDirectory(directory), true);
  assert.equal(await isDatabaseDirectory(`${directory}/db.sqlite3`), false);
  await storage.close();
});

storageConformance('sqlite3', (directory, options) =>
  openStorage({ directory, fullSync: false, driver: 'sqlite3', ...options }),
);
