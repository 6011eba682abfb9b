import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  createSecretFile,
  deleteSecretFile,
  filesIn,
  readSecretFile,
  secretDirectory,
  writeSecretFile,
} from '../../src/security/secret-file.js';
import { smallDirectory } from '../support/file-systems.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

describe('a secret file', () => {
  test('is for its owner alone, in a folder for its owner alone, and leaves nothing beside it', async (context) => {
    const folder = join(await temporaryDirectory(context), 'a', 'b');
    const path = join(folder, 'secret');
    await writeSecretFile(path, 'one');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    await writeSecretFile(path, 'twø');
    assert.equal(await readSecretFile(path), 'twø');
    assert.deepEqual(await readdir(folder), ['secret']);
  });

  test('of another user is not believed, nor a folder of his', async (context) => {
    if (process.geteuid?.() !== 0) return context.skip('only root can give a file away');
    const folder = join(await temporaryDirectory(context), 'a');
    const path = join(folder, 'secret');
    await writeSecretFile(path, 'one');
    await chown(path, 65_534, 65_534);
    await assert.rejects(readSecretFile(path), { code: 'IDENTITY_FILE_UNSAFE', message: /65534/, hint: /chown/ });
    await secretDirectory(folder);
    await chown(folder, 65_534, 65_534);
    await assert.rejects(secretDirectory(folder), { code: 'IDENTITY_FILE_UNSAFE', message: /65534/ });
  });

  test('that is missing is undefined, and deleted once', async (context) => {
    const path = join(await temporaryDirectory(context), 'secret');
    assert.equal(await readSecretFile(path), undefined);
    assert.equal(await deleteSecretFile(path), false);
    await writeSecretFile(path, '');
    assert.equal(await readSecretFile(path), '');
    assert.equal(await deleteSecretFile(path), true);
    assert.equal(await readSecretFile(path), undefined);
  });

  test('is created once by those that try at the same time, and never replaced', async (context) => {
    const folder = await temporaryDirectory(context);
    const path = join(folder, 'secret');
    const texts = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(1000));
    const made = await Promise.all(texts.map((text) => createSecretFile(path, text)));
    assert.equal(made.filter(Boolean).length, 1);
    assert.equal(await readSecretFile(path), texts[made.indexOf(true)]);
    assert.deepEqual(await readdir(folder), ['secret']);
    assert.equal(await createSecretFile(path, 'late'), false);
  });

  test('is never seen by half while it is written again and again', async (context) => {
    const path = join(await temporaryDirectory(context), 'secret');
    const texts = ['a', 'b'].map((letter) => letter.repeat(50_000));
    await writeSecretFile(path, texts[0] ?? '');
    let writing = true;
    const reader = (async () => {
      let reads = 0;
      while (writing) {
        const text = await readSecretFile(path);
        assert.ok(texts.includes(text ?? ''));
        reads++;
      }
      return reads;
    })();
    for (let round = 0; round < 40; round++) await writeSecretFile(path, texts[round % 2] ?? '');
    writing = false;
    assert.ok((await reader) > 0);
  });

  test('that others can reach is refused, in whatever way they can', async (context) => {
    const folder = await temporaryDirectory(context);
    const path = join(folder, 'secret');
    await writeFile(path, 'x');
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o777]) {
      await chmod(path, mode);
      const message = new RegExp(`secret has mode 0${mode.toString(8)}`);
      await assert.rejects(readSecretFile(path), { code: 'IDENTITY_FILE_UNSAFE', message });
    }
    await chmod(path, 0o400);
    assert.equal(await readSecretFile(path), 'x');
    await symlink(path, join(folder, 'link'));
    assert.equal(await readSecretFile(join(folder, 'link')), 'x', 'the mode of what it leads to counts');
    await mkdir(join(folder, 'open'), { mode: 0o750 });
    await assert.rejects(secretDirectory(join(folder, 'open')), { code: 'IDENTITY_FILE_UNSAFE' });
  });

  test('that is too large, a folder, or a pipe without an end is not read', async (context) => {
    const folder = await temporaryDirectory(context);
    const path = join(folder, 'secret');
    await writeSecretFile(path, 'x'.repeat(101));
    await assert.rejects(readSecretFile(path, 100), { code: 'IDENTITY_INVALID', message: /more than 100 bytes/ });
    assert.equal((await readSecretFile(path, 101))?.length, 101);
    await mkdir(join(folder, 'folder'), { mode: 0o700 });
    await assert.rejects(readSecretFile(join(folder, 'folder')), { code: 'IDENTITY_INVALID', message: /not a file/ });
    execFileSync('mkfifo', ['-m', '600', join(folder, 'pipe')]);
    await assert.rejects(readSecretFile(join(folder, 'pipe')), { code: 'IDENTITY_INVALID', message: /not a file/ });
  });

  test('is as it was when the new one does not fit on the disk', async (context) => {
    const small = smallDirectory(context, 32);
    if (small.reason !== undefined) return context.skip(small.reason);
    const path = join(small.path, 'secret');
    await writeSecretFile(path, 'old');
    await assert.rejects(writeSecretFile(path, 'x'.repeat(65_536)), { code: 'STORAGE_FULL', retryable: true });
    await assert.rejects(createSecretFile(join(small.path, 'other'), 'x'.repeat(65_536)), { code: 'STORAGE_FULL' });
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.deepEqual(await filesIn(small.path), ['secret']);
  });

  test('is an error with a code where there is no folder to be made', async (context) => {
    const folder = await temporaryDirectory(context);
    await writeFile(join(folder, 'file'), '');
    for (const call of [readSecretFile, deleteSecretFile, secretDirectory, filesIn]) {
      await assert.rejects(call(join(folder, 'file', 'x')), { code: 'STORAGE_IO_ERROR', message: /ENOTDIR/ });
    }
    await assert.rejects(writeSecretFile(join(folder, 'file', 'x'), ''), { code: 'STORAGE_IO_ERROR' });
    await assert.rejects(filesIn(join(folder, 'missing')), { code: 'STORAGE_IO_ERROR', message: /ENOENT/ });
  });
});
