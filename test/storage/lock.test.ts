/** The lock of a database folder, between real processes. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { lockDirectory } from '../../src/storage/index.js';
import { rejects } from '../conformance/storage-fixtures.js';
import { startChild } from '../support/child-process.js';
import { readOnlyDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

test('a folder that cannot be locked says why', async (context) => {
  const directory = await temporaryDirectory(context);
  await rejects(lockDirectory(`${directory}/missing`), 'DATABASE_CANNOT_OPEN');
  await writeFile(`${directory}/file`, '');
  await rejects(lockDirectory(`${directory}/file`), 'DATABASE_CANNOT_OPEN');
});

test('a folder that cannot be written is STORAGE_READ_ONLY, locked before or not', async (context) => {
  const directory = await temporaryDirectory(context);
  await mkdir(`${directory}/used`);
  await (
    await lockDirectory(`${directory}/used`)
  )();
  const made = readOnlyDirectory(context, directory);
  if (made.reason !== undefined) return context.skip(made.reason);
  await rejects(lockDirectory(made.path), 'STORAGE_READ_ONLY');
  await rejects(lockDirectory(`${made.path}/used`), 'STORAGE_READ_ONLY');
});

test('a second process is told DATABASE_BUSY at once, until the first releases', async (context) => {
  const directory = await temporaryDirectory(context);
  const release = await lockDirectory(directory);
  const refused = startChild(context, 'storage-child.ts', ['lock', directory]);
  assert.equal(await refused.line(), 'DATABASE_BUSY', refused.errors());
  await refused.finish();
  await release();
  await release();
  const accepted = startChild(context, 'storage-child.ts', ['lock', directory]);
  assert.equal(await accepted.line(), 'locked', accepted.errors());
  await rejects(lockDirectory(directory), 'DATABASE_BUSY');
  await accepted.finish();
  await (
    await lockDirectory(directory)
  )();
});

test('a process that is killed leaves no lock behind', async (context) => {
  const directory = await temporaryDirectory(context);
  for (let round = 0; round < 3; round++) {
    const child = startChild(context, 'storage-child.ts', ['lock', directory]);
    assert.equal(await child.line(), 'locked', child.errors());
    await rejects(lockDirectory(directory), 'DATABASE_BUSY');
    await child.kill();
    await (
      await lockDirectory(directory)
    )();
  }
});

test('a second lock within the process is refused, by whatever path the folder is reached', async (context) => {
  const directory = await temporaryDirectory(context);
  const release = await lockDirectory(directory);
  await rejects(lockDirectory(directory), 'DATABASE_BUSY');
  await rejects(lockDirectory(`${directory}/../${directory.split('/').at(-1) ?? ''}`), 'DATABASE_BUSY');
  await release();
  assert.deepEqual(await readdir(directory), ['lock.sqlite3']);
});

test('locks of different folders do not disturb each other', async (context) => {
  const directory = await temporaryDirectory(context);
  const names = ['a', 'b', 'c'];
  for (const name of names) await mkdir(`${directory}/${name}`);
  const releases = await Promise.all(names.map((name) => lockDirectory(`${directory}/${name}`)));
  await Promise.all(releases.map((release) => release()));
});
