import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import type { HawserError } from '../../src/errors.js';
import { TrustOnFirstUse } from '../../src/security/index.js';
import { chainedIdentity, issue, type Issuer } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const NAME = 'boat.local:4984';

let boat: Issuer;
let stranger: Issuer;
/** In a folder that does not exist yet. */
let file: string;

before(async () => {
  boat = await issue('boat');
  stranger = await issue('boat');
});

beforeEach(async (context) => {
  file = join(await temporaryDirectory(context as never), 'trust', 'servers.json');
});

async function contact(memory: TrustOnFirstUse, chain: readonly Issuer[], name = NAME): Promise<string> {
  const certs = chain.map(({ certificate }) => certificate);
  const error = await memory.judge({ name, hostname: 'boat.local', chain: certs, chainError: 'x' });
  return error?.code ?? 'trusted';
}

describe('the first contact', () => {
  test('is trusted once the certificate is on disk, where nobody else can read it', async () => {
    const memory = await TrustOnFirstUse.open(file);
    assert.equal(await contact(memory, [boat]), 'trusted');
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { [NAME]: boat.certificate.toString() });
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(join(file, '..'))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(file, '..')), ['servers.json']);
  });

  test('makes no file before, and needs none', async () => {
    const memory = await TrustOnFirstUse.open(file);
    assert.deepEqual(await memory.known(), new Map());
    assert.equal(await memory.forget(NAME), false);
    await assert.rejects(stat(file), { code: 'ENOENT' });
  });

  test('is not trusted if it cannot be remembered', async () => {
    const memory = await TrustOnFirstUse.open(file);
    await writeFile(join(file, '..'), ''); // where the folder should be
    await assert.rejects(contact(memory, [boat]), (error: HawserError) => {
      assert.match(error.code, /^STORAGE_/);
      assert.ok(error.message.includes(file.slice(0, -'servers.json'.length - 1)));
      return true;
    });
  });

  test('of several at the same time is one, by whose certificate the others are judged', async () => {
    const memories = [await TrustOnFirstUse.open(file), await TrustOnFirstUse.open(file)] as const;
    const outcomes = await Promise.all([
      contact(memories[0], [boat]),
      contact(memories[1], [stranger]),
      contact(memories[0], [stranger]),
      contact(memories[1], [boat]),
    ]);
    assert.deepEqual(outcomes, ['trusted', 'TLS_CERTIFICATE_CHANGED', 'TLS_CERTIFICATE_CHANGED', 'trusted']);
  });

  test('with many servers at the same time forgets none', async () => {
    const memories = [await TrustOnFirstUse.open(file), await TrustOnFirstUse.open(join(file, '..', 'servers.json'))];
    const names = Array.from({ length: 40 }, (_, at) => `boat-${at}:4984`);
    await Promise.all(names.map((name, at) => contact(memories[at % 2] as TrustOnFirstUse, [boat], name)));
    assert.deepEqual([...(await (await TrustOnFirstUse.open(file)).known()).keys()].sort(), names.sort());
  });
});

describe('a later contact', () => {
  test('with the same certificate is trusted, also after a restart', async () => {
    await contact(await TrustOnFirstUse.open(file), [boat]);
    const memory = await TrustOnFirstUse.open(file);
    assert.equal(await contact(memory, [boat]), 'trusted');
    assert.equal((await memory.known()).get(NAME)?.fingerprint256, boat.certificate.fingerprint256);
  });

  test('with another certificate is refused, and changes nothing', async () => {
    const memory = await TrustOnFirstUse.open(file);
    await contact(memory, [boat]);
    const written = await readFile(file, 'utf8');
    const error = await memory.judge({
      name: NAME,
      hostname: 'boat.local',
      chain: [stranger.certificate, boat.certificate], // which is public
      chainError: undefined,
    });
    assert.deepEqual([error?.code, error?.number], ['TLS_CERTIFICATE_CHANGED', 5011]);
    for (const { certificate } of [boat, stranger]) assert.ok(error?.message.includes(certificate.fingerprint256));
    assert.equal(await readFile(file, 'utf8'), written);
    assert.equal(await contact(memory, [boat]), 'trusted');
  });

  test('with a renewed certificate of the same key is trusted', async () => {
    const memory = await TrustOnFirstUse.open(file);
    await contact(memory, [boat]);
    assert.equal(await contact(memory, [await issue('boat', { privateKey: boat.privateKey })]), 'trusted');
  });

  test('remembers the certificate of the server, not who issued it', async () => {
    const memory = await TrustOnFirstUse.open(file);
    const { leaf, intermediate, root } = await chainedIdentity('boat');
    assert.equal(await contact(memory, [leaf, intermediate, root]), 'trusted');
    const sister = await issue('sister ship', { issuer: intermediate });
    assert.equal(await contact(memory, [sister, intermediate, root]), 'TLS_CERTIFICATE_CHANGED');
  });

  test('under another name is a first one', async () => {
    const memory = await TrustOnFirstUse.open(file);
    await contact(memory, [boat]);
    assert.equal(await contact(memory, [stranger], 'boat.local:4985'), 'trusted');
  });
});

test('a name that was forgotten is met for the first time again', async () => {
  const memory = await TrustOnFirstUse.open(file);
  await contact(memory, [boat]);
  await contact(memory, [boat], 'other:1');
  assert.equal(await memory.forget(NAME), true);
  assert.equal(await memory.forget(NAME), false);
  assert.deepEqual([...(await memory.known()).keys()], ['other:1']);
  assert.equal(await contact(memory, [stranger]), 'trusted');
  assert.equal(await contact(memory, [boat]), 'TLS_CERTIFICATE_CHANGED');
});

test('no name is special, and none reaches a path', async () => {
  const memory = await TrustOnFirstUse.open(file);
  const names = ['__proto__', 'constructor', '../../../etc/passwd', 'a\0b', '', '"', '\u2028'];
  for (const name of names) assert.equal(await contact(memory, [boat], name), 'trusted');
  for (const name of names) assert.equal(await contact(memory, [stranger], name), 'TLS_CERTIFICATE_CHANGED');
  assert.deepEqual([...(await memory.known()).keys()].sort(), names.sort());
  assert.deepEqual(await readdir(join(file, '..')), ['servers.json']);
});

describe('a file', () => {
  const put = async (text: string | Uint8Array): Promise<void> => {
    await mkdir(join(file, '..'), { mode: 0o700 });
    await writeFile(file, text, { mode: 0o600 });
  };

  for (const [what, text] of [
    ['that is cut short', '{"boat.local:4984": "-----BEGIN CERT'],
    ['that is empty', ''],
    ['that holds a list', '[]'],
    ['that holds null', 'null'],
    ['with a certificate that is none', '{"boat.local:4984": "-----BEGIN CERTIFICATE-----\\nAAAA\\n"}'],
    ['with a number for a certificate', '{"boat.local:4984": 7}'],
    ['larger than 16 MiB', Buffer.alloc(16 * 1024 * 1024 + 1, ' ')],
  ] as const) {
    test(`${what} is an error that names it, and stays as it is`, async () => {
      const memory = await TrustOnFirstUse.open(file);
      await put(text);
      const refusal = (error: HawserError): boolean => {
        assert.equal(error.code, 'TRUST_FILE_INVALID');
        assert.ok(error.message.includes(file));
        return true;
      };
      await assert.rejects(TrustOnFirstUse.open(file), refusal);
      await assert.rejects(contact(memory, [boat]), refusal);
      await assert.rejects(memory.known(), refusal);
      assert.equal((await stat(file)).size, text.length);
    });
  }

  test('that others can change is not believed', async () => {
    const memory = await TrustOnFirstUse.open(file);
    await contact(memory, [boat]);
    await chmod(file, 0o660);
    for (const work of [TrustOnFirstUse.open(file), memory.known(), contact(memory, [boat])]) {
      await assert.rejects(work, { code: 'IDENTITY_FILE_UNSAFE', hint: /decides whom we trust/ });
    }
    await chmod(file, 0o600);
    assert.equal(await contact(memory, [boat]), 'trusted', 'an error is not for ever');
  });

  test('holds 10,000 servers, and says so instead of forgetting one', async () => {
    const pem = boat.certificate.toString();
    const names = Array.from({ length: 10_000 }, (_, at) => [`boat-${at}:4984`, pem]);
    await put(JSON.stringify(Object.fromEntries(names)));
    const memory = await TrustOnFirstUse.open(file);
    const { size } = await stat(file);
    await assert.rejects(contact(memory, [boat]), { code: 'TRUST_FILE_FULL' });
    assert.equal((await stat(file)).size, size);
    assert.equal(await contact(memory, [boat], 'boat-7:4984'), 'trusted');
    assert.equal(await contact(memory, [stranger], 'boat-7:4984'), 'TLS_CERTIFICATE_CHANGED');
    assert.equal(await memory.forget('boat-9999:4984'), true);
    assert.equal(await contact(memory, [boat]), 'trusted');
  });
});

test('a path that is none is refused', async () => {
  for (const given of ['', 'a\0b', undefined, 7]) {
    await assert.rejects(TrustOnFirstUse.open(given as string), { code: 'ARGUMENT_INVALID' });
  }
});
