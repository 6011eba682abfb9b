/** The doctor on folders where no database can be, or not for long. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readOnlyDirectory, smallDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { COMMAND, doctor, hawser, NOBODY, type Diagnosis } from './run-hawser.js';

const usual = { timeout: 120_000 };

/** The folder is a problem, and the rest of the machine is looked at all the same. */
function hasNoFolder({ status, of, findings }: Diagnosis, found: RegExp, remedy: RegExp): void {
  assert.equal(status, 1);
  const folder = of('folder');
  assert.equal(folder.verdict, 'problem');
  assert.match(folder.found, found);
  assert.match(folder.remedy ?? '', remedy);
  assert.ok(!findings.some(({ name }) => name === 'database' || name === 'flushing'), 'tried in such a folder');
  assert.equal(of('sync').verdict, 'ok');
}

describe('a folder that', () => {
  test('is not there', usual, async (context) => {
    const folder = join(await temporaryDirectory(context), "captain's log");
    hasNoFolder(
      await doctor([folder]),
      /^There is no folder .*captain's log\.$/,
      /^Make it: mkdir -p '.*captain'\\''s log'$/,
    );
  });

  test('is a file', usual, async (context) => {
    const file = join(await temporaryDirectory(context), 'file');
    await writeFile(file, '');
    hasNoFolder(await doctor([file]), /is a file, not a folder/, /Name the folder/);
  });

  test('cannot be written', usual, async (context) => {
    const made = readOnlyDirectory(context, await temporaryDirectory(context));
    if (made.reason !== undefined) return context.skip(made.reason);
    const isMounted = process.getuid?.() === 0;
    hasNoFolder(
      await doctor([made.path]),
      isMounted ? /It is mounted read-only\.$/ : /may not write in it/,
      isMounted ? /^sudo mount -o remount,rw / : /^Make one of your own/,
    );
  });

  test('is full', usual, async (context) => {
    const made = smallDirectory(context, 256);
    if (made.reason !== undefined) return context.skip(made.reason);
    await writeFile(join(made.path, 'ballast'), Buffer.alloc(512 * 1_024)).catch((error: NodeJS.ErrnoException) =>
      assert.equal(error.code, 'ENOSPC'),
    );
    hasNoFolder(await doctor([made.path]), /is on tmpfs, with 0 KiB free.* It is full\.$/, /Free space/);
    assert.deepEqual(await readdir(made.path), ['ballast']);
  });

  test('is in memory', usual, async (context) => {
    const made = smallDirectory(context, 65_536);
    if (made.reason !== undefined) return context.skip(made.reason);
    const { of } = await doctor([made.path]);
    assert.equal(of('folder').verdict, 'warning');
    assert.match(of('folder').found, /is on tmpfs, with 6\d MiB free.*lost when the power goes/);
    assert.equal(of('database').verdict, 'ok');
  });

  test('belongs to somebody else', usual, async (context) => {
    if (process.getuid?.() !== 0) return context.skip('only root can become another user');
    const parent = await temporaryDirectory(context);
    await chmod(parent, 0o755);
    await mkdir(join(parent, 'data'), { mode: 0o755 });
    const { status, errors } = await hawser(['--version'], { user: NOBODY });
    if (status !== 0) return context.skip(`the user nobody cannot read ${COMMAND} (${errors.split('\n')[0]})`);
    hasNoFolder(
      await doctor([join(parent, 'data')], { user: NOBODY }),
      /The user 65534 may not write in it/,
      /^Make one of your own in it and name that: sudo install -d -o 65534 /,
    );
  });
});
