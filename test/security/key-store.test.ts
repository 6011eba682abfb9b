import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { KeyStore, TLSIdentity, type CreateIdentityOptions } from '../../src/security/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { readOnlyDirectory, smallDirectory } from '../support/file-systems.js';
import { openSsl, withoutOpenSsl } from '../support/openssl.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const BOAT: CreateIdentityOptions = { keyUsages: ['serverAuth'], attributes: { commonName: 'boat' } };

async function place(context: TestContext): Promise<string> {
  return join(await temporaryDirectory(context), 'database', 'keys');
}

/** The only file of the store. */
async function onlyFile(folder: string): Promise<string> {
  const [name, ...more] = await readdir(folder);
  assert.deepEqual(more, []);
  return join(folder, name ?? assert.fail());
}

describe('KeyStore', () => {
  test('keeps an identity for its owner alone, and finds it after a restart', async (context) => {
    const folder = await place(context);
    const store = await KeyStore.open(folder);
    const made = await store.createIdentity('boat', BOAT);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(await onlyFile(folder))).mode & 0o777, 0o600);
    const found = await (await KeyStore.open(folder)).identity('boat');
    assert.equal(found?.privateKeyPem(), made.privateKeyPem());
    assert.equal(found?.certificatePem(), made.certificatePem());
    assert.deepEqual(await store.labels(), ['boat']);
  });

  test('deletes by label, and says whether there was one', async (context) => {
    const store = await KeyStore.open(await place(context));
    await store.createIdentity('boat', BOAT);
    assert.equal(await store.deleteIdentity('boat'), true);
    assert.equal(await store.deleteIdentity('boat'), false);
    assert.equal(await store.identity('boat'), undefined);
    assert.deepEqual(await readdir(store.directory), []);
    await store.createIdentity('boat', BOAT);
  });

  test('keeps nothing of an identity that cannot be made', async (context) => {
    const store = await KeyStore.open(await place(context));
    const attributes = { commonName: 'x'.repeat(65) };
    await assert.rejects(store.createIdentity('boat', { ...BOAT, attributes }), { code: 'IDENTITY_ATTRIBUTE_INVALID' });
    assert.deepEqual(await readdir(store.directory), []);
  });

  test('takes any text for a label: none leaves the folder, none meets another', async (context) => {
    const folder = await place(context);
    const store = await KeyStore.open(folder);
    const labels = [
      ...[
        'boat',
        'Boat',
        'BOAT',
        'b',
        '.',
        '..',
        '../x',
        '../../etc/passwd',
        '/etc/passwd',
        'a/b',
        'a\\b',
        'a\0b',
        '\n',
        ' ',
      ],
      ...['%62oat', '%', 'con', '~', '$HOME', 'café', 'cafe\u0301', '漢字', '🔑', 'boat.identity', '-rf', '__proto__'],
      ...['x'.repeat(64), 'X'.repeat(64), '🔑'.repeat(16)],
    ];
    const identity = await selfSignedIdentity('boat');
    for (const label of labels) await store.importIdentity(label, identity);
    assert.deepEqual(await store.labels(), [...labels].sort());
    const files = await readdir(folder);
    assert.equal(files.length, labels.length);
    assert.equal(new Set(files.map((file) => file.toLowerCase().normalize())).size, labels.length);
    for (const file of files) assert.match(file, /^[a-z0-9_%-]+\.identity$/);
    assert.deepEqual(await readdir(join(folder, '..')), [basename(folder)]);
    for (const label of labels) assert.equal(await store.deleteIdentity(label), true);
  });

  test('refuses labels that are empty, too long or no text', async (context) => {
    const store = await KeyStore.open(await place(context));
    for (const label of ['', 'x'.repeat(65), '漢'.repeat(22), '\ud800', 5, null, undefined] as string[]) {
      for (const call of [
        () => store.createIdentity(label, BOAT),
        () => store.identity(label),
        () => store.deleteIdentity(label),
      ]) {
        await assert.rejects(call, { code: 'IDENTITY_LABEL_INVALID' });
      }
    }
  });

  test('leaves files that are not its own alone', async (context) => {
    const store = await KeyStore.open(await place(context));
    for (const name of [
      'anonymous.pem',
      'A.identity',
      '%zz.identity',
      'boat.identity.0123.tmp',
      '.identity',
      '%c3.identity',
    ]) {
      await writeFile(join(store.directory, name), '');
    }
    assert.deepEqual(await store.labels(), []);
  });

  test('gives a label once, to whoever is first: calls and processes at the same time', async (context) => {
    const folder = await place(context);
    const store = await KeyStore.open(folder);
    const calls = await Promise.allSettled(Array.from({ length: 5 }, () => store.createIdentity('boat', BOAT)));
    assert.equal(calls.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const call of calls) if (call.status === 'rejected') assert.equal(call.reason.code, 'IDENTITY_EXISTS');
    const processes = await Promise.all(Array.from({ length: 3 }, () => createInAnotherProcess(folder, 'tender')));
    assert.deepEqual(processes.filter((outcome) => outcome !== 'IDENTITY_EXISTS').length, 1);
    const found = await store.identity('tender');
    assert.ok(processes.includes(found?.certificate.fingerprint256 ?? ''));
    assert.equal((await readdir(folder)).length, 2, 'no temporary file is left');
  });

  test('refuses a folder and a file that others can read', async (context) => {
    const folder = await place(context);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await assert.rejects(KeyStore.open(folder), { code: 'IDENTITY_FILE_UNSAFE', message: /0755/ });
    await chmod(folder, 0o700);
    const store = await KeyStore.open(folder);
    await store.createIdentity('boat', BOAT);
    await chmod(await onlyFile(folder), 0o640);
    await assert.rejects(store.identity('boat'), { code: 'IDENTITY_FILE_UNSAFE', message: /0640/ });
  });

  test('names the file that is damaged, and leaves it alone', async (context) => {
    const store = await KeyStore.open(await place(context));
    await store.createIdentity('boat', BOAT);
    const file = await onlyFile(store.directory);
    const whole = await readFile(file, 'utf8');
    for (const text of ['', 'not PEM', whole.slice(0, 300), whole.replace(/[A-M]/g, 'Q'), 'x'.repeat(300_000)]) {
      await writeFile(file, text);
      await assert.rejects(store.identity('boat'), { code: 'IDENTITY_INVALID', message: /boat\.identity/ });
      assert.equal(await readFile(file, 'utf8'), text);
      await assert.rejects(store.createIdentity('boat', BOAT), { code: 'IDENTITY_EXISTS' });
      assert.equal((await (await KeyStore.open(store.directory)).labels()).length, 1);
    }
  });

  test('tells apart why the disk does not take it', async (context) => {
    const base = await temporaryDirectory(context);
    await writeFile(join(base, 'file'), '');
    await assert.rejects(KeyStore.open(join(base, 'file', 'keys')), { code: 'STORAGE_IO_ERROR' });
    await assert.rejects(KeyStore.open(join(base, 'file')), (error: Error & { code: string }) =>
      ['STORAGE_IO_ERROR', 'IDENTITY_FILE_UNSAFE'].includes(error.code),
    );
    const small = smallDirectory(context, 8);
    if (small.reason !== undefined) context.diagnostic(`a full disk was not tried: ${small.reason}`);
    else {
      const store = await KeyStore.open(join(small.path, 'keys'));
      await writeFile(join(small.path, 'filling'), Buffer.alloc(65_536)).catch(() => undefined);
      await assert.rejects(store.createIdentity('boat', BOAT), { code: 'STORAGE_FULL' });
      assert.deepEqual(await readdir(store.directory), []);
    }
    const readOnly = readOnlyDirectory(context, base);
    if (readOnly.reason !== undefined) context.diagnostic(`a read-only disk was not tried: ${readOnly.reason}`);
    else await assert.rejects(KeyStore.open(join(readOnly.path, 'keys')), { code: 'STORAGE_READ_ONLY' });
  });
});

describe('a KeyStore with a passphrase', () => {
  test('encrypts the keys, and hides the passphrase', async (context) => {
    const folder = await place(context);
    const passphrase = 'correct hørse';
    const store = await KeyStore.open(folder, { passphrase });
    const made = await store.createIdentity('boat', BOAT);
    const text = await readFile(await onlyFile(folder), 'utf8');
    assert.match(text, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    const found = await (await KeyStore.open(folder, { passphrase })).identity('boat');
    assert.equal(found?.privateKeyPem(), made.privateKeyPem());
    for (const shown of [inspect(store, { depth: 9, showHidden: true }), JSON.stringify(store)]) {
      assert.ok(shown.includes('keys') && !shown.includes('hørse'));
    }
    assert.equal(TLSIdentity.fromPem(text, passphrase).privateKeyPem(), made.privateKeyPem());
  });

  test('writes keys that OpenSSL opens, stretched with scrypt', { skip: withoutOpenSsl }, async (context) => {
    const folder = await place(context);
    const store = await KeyStore.open(folder, { passphrase: 'horse' });
    const made = await store.createIdentity('boat', { ...BOAT, keyType: 'rsa-2048' });
    const { run } = await openSsl(context);
    const path = await onlyFile(folder);
    assert.equal(run('pkey', '-in', path, '-passin', 'pass:horse'), made.privateKeyPem());
    assert.match(run('asn1parse', '-in', path), /:scrypt[^]*INTEGER +:4000[^]*INTEGER +:08[^]*INTEGER +:05/);
  });

  test('says so when the passphrase is wrong or missing, or none is needed', async (context) => {
    const folder = await place(context);
    await (await KeyStore.open(folder, { passphrase: 'horse' })).createIdentity('boat', BOAT);
    await assert.rejects(KeyStore.open(folder, { passphrase: 'house' }), { code: 'IDENTITY_PASSWORD_WRONG' });
    await assert.rejects(KeyStore.open(folder), {
      code: 'IDENTITY_PASSWORD_WRONG',
      message: /encrypted: open it with its passphrase/,
    });
    const plain = await place(context);
    await (await KeyStore.open(plain)).createIdentity('boat', BOAT);
    await assert.rejects(KeyStore.open(plain, { passphrase: 'horse' }), {
      code: 'IDENTITY_PASSWORD_WRONG',
      message: /without a passphrase/,
    });
    for (const passphrase of ['', 'x'.repeat(1025), 5, null] as string[]) {
      await assert.rejects(KeyStore.open(plain, { passphrase }), { code: 'ARGUMENT_INVALID' });
    }
    await assert.rejects(KeyStore.open(plain, { password: 'x' } as never), { code: 'OPTION_UNKNOWN' });
  });

  test('opens although one of its files is damaged', async (context) => {
    const folder = await place(context);
    const store = await KeyStore.open(folder, { passphrase: 'horse' });
    for (const label of ['a', 'b']) await store.importIdentity(label, await selfSignedIdentity(label));
    await writeFile(join(folder, 'a.identity'), 'damaged');
    const again = await KeyStore.open(folder, { passphrase: 'horse' });
    await assert.rejects(again.identity('a'), { code: 'IDENTITY_INVALID' });
    assert.equal((await again.identity('b'))?.certificate.subject, 'CN=b');
  });
});

/** The fingerprint of the identity that a process of its own has made, or the code of its error. */
async function createInAnotherProcess(folder: string, label: string): Promise<string> {
  const security = new URL('../../src/security/index.ts', import.meta.url).href;
  const program = `
    import { KeyStore } from ${JSON.stringify(security)};
    const store = await KeyStore.open(${JSON.stringify(folder)});
    const options = { keyUsages: ['serverAuth'], attributes: { commonName: 'boat' } };
    const made = store.createIdentity(${JSON.stringify(label)}, options);
    console.log(await made.then(({ certificate }) => certificate.fingerprint256, ({ code }) => code));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  return stdout.trim();
}
