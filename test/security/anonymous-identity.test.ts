import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger } from '../../src/base/index.js';
import { anonymousIdentity, renewalDueAt, type TLSIdentity } from '../../src/security/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { readOnlyDirectory, smallDirectory } from '../support/file-systems.js';
import { memoryLogger } from '../support/memory-logger.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { VirtualClock } from '../support/virtual-clock.js';

const DAY_MS = 86_400_000;

/** A folder that does not exist yet, and the file that will be in it. */
async function place(context: TestContext): Promise<{ folder: string; file: string }> {
  const folder = join(await temporaryDirectory(context), 'database', 'tls');
  return { folder, file: join(folder, 'anonymous.pem') };
}

const fingerprint = (identity: TLSIdentity): string => identity.certificate.fingerprint256;

describe('an identity file', () => {
  test('that others can read is refused', async (context) => {
    const { folder, file } = await place(context);
    await anonymousIdentity(folder);
    for (const mode of [0o640, 0o604, 0o620, 0o644]) {
      await chmod(file, mode);
      await assert.rejects(anonymousIdentity(folder), (error: Error & { code: string }) => {
        assert.equal(error.code, 'IDENTITY_FILE_UNSAFE');
        assert.ok(error.message.includes(file) && error.message.includes(mode.toString(8)));
        return true;
      });
    }
    await chmod(file, 0o600);
    await anonymousIdentity(folder);
  });

  test('that is damaged is refused by name, and left alone', async (context) => {
    const { folder, file } = await place(context);
    await anonymousIdentity(folder);
    const whole = await readFile(file, 'utf8');
    const another = await selfSignedIdentity('another');
    for (const text of [
      '',
      'not a PEM file',
      whole.slice(0, whole.length - 100),
      whole.slice(0, 100),
      whole.replace(/[A-M]/g, 'Q'),
      another.privateKeyPem() + whole.slice(whole.indexOf('-----BEGIN CERTIFICATE')),
      'x'.repeat(100_000),
    ]) {
      await writeFile(file, text);
      await assert.rejects(anonymousIdentity(folder), (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'IDENTITY_INVALID', text.slice(0, 40));
        assert.ok(error.message.includes(file));
        assert.match(error.hint, /delete/);
        return true;
      });
      assert.equal(await readFile(file, 'utf8'), text);
    }
  });

  test('that cannot be written is told apart: no folder, no space, no right', async (context) => {
    const base = await temporaryDirectory(context);
    await writeFile(join(base, 'file'), '');
    await assert.rejects(anonymousIdentity(join(base, 'file', 'tls')), { code: 'STORAGE_IO_ERROR' });

    const small = smallDirectory(context, 4);
    if (small.reason !== undefined) context.diagnostic(`a full disk was not tried: ${small.reason}`);
    else {
      await writeFile(join(small.path, 'filling'), Buffer.alloc(65_536)).catch(() => undefined);
      await assert.rejects(anonymousIdentity(join(small.path, 'tls')), { code: 'STORAGE_FULL' });
    }

    const readOnly = readOnlyDirectory(context, base);
    if (readOnly.reason !== undefined) context.diagnostic(`a read-only disk was not tried: ${readOnly.reason}`);
    else await assert.rejects(anonymousIdentity(join(readOnly.path, 'tls')), { code: 'STORAGE_READ_ONLY' });
  });
});

describe('anonymousIdentity', () => {
  test('makes a self-signed certificate for a server, for ten years and a day', async (context) => {
    const { folder } = await place(context);
    const clock = new VirtualClock({ startMs: Date.UTC(2026, 10, 22, 12) });
    const { certificate, expiration, certs } = await anonymousIdentity(folder, { clock });
    assert.equal(certs.length, 1);
    assert.equal(certificate.subject, 'CN=hawser anonymous identity');
    assert.equal(certificate.issuer, certificate.subject);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.ca, false);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']); // what Node calls keyUsage is the extended one
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/);
    assert.equal(Date.parse(certificate.validFrom), clock.now() - DAY_MS);
    assert.equal(expiration.getTime(), clock.now() + 3652 * DAY_MS);
  });

  test('keeps it for its owner alone, and finds it again', async (context) => {
    const { folder, file } = await place(context);
    const first = await anonymousIdentity(folder);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['anonymous.pem'], 'no temporary file is left');
    const second = await anonymousIdentity(folder);
    assert.notEqual(second, first);
    assert.equal(fingerprint(second), fingerprint(first));
    assert.equal(second.privateKeyPem(), first.privateKeyPem());
  });

  test('makes a different one for every folder', async (context) => {
    const [one, two] = [await place(context), await place(context)];
    const [first, second] = await Promise.all([anonymousIdentity(one.folder), anonymousIdentity(two.folder)]);
    assert.notEqual(fingerprint(first), fingerprint(second));
    assert.notEqual(first.certificate.serialNumber, second.certificate.serialNumber);
  });

  test('gives calls at the same time the same identity', async (context) => {
    const { folder } = await place(context);
    const calls = Array.from({ length: 5 }, () => anonymousIdentity(folder));
    const identities = await Promise.all([...calls, anonymousIdentity(`${folder}/../tls/`)]);
    assert.equal(new Set(identities).size, 1);
  });

  test('gives processes that start at the same time the same identity', async (context) => {
    const { folder } = await place(context);
    const processes = Array.from({ length: 3 }, () => inAnotherProcess(folder));
    const fingerprints = (await Promise.all(processes)).map((result) => result.fingerprint);
    assert.deepEqual(new Set(fingerprints), new Set([fingerprint(await anonymousIdentity(folder))]));
    assert.deepEqual(await readdir(folder), ['anonymous.pem']);
  });

  test('loads node-forge to make an identity, and not to find one', async (context) => {
    const { folder } = await place(context);
    assert.equal((await inAnotherProcess(folder)).forgeIsLoaded, true);
    assert.equal((await inAnotherProcess(folder)).forgeIsLoaded, false);
  });

  test('renews it in its last 30 days, with the same key, and says so', async (context) => {
    const { folder, file } = await place(context);
    const clock = new VirtualClock({ startMs: Date.UTC(2026, 10, 22) });
    const logger = memoryLogger();
    const first = await anonymousIdentity(folder, { clock, logger });
    assert.equal(renewalDueAt(first), first.expiration.getTime() - 30 * DAY_MS);
    await clock.advance(renewalDueAt(first) - clock.now() - 1);
    assert.equal(fingerprint(await anonymousIdentity(folder, { clock, logger })), fingerprint(first));
    assert.deepEqual(logger.lines, []);

    await clock.advance(1);
    const second = await anonymousIdentity(folder, { clock, logger });
    assert.notEqual(fingerprint(second), fingerprint(first));
    assert.notEqual(second.certificate.serialNumber, first.certificate.serialNumber);
    assert.equal(second.certificate.subject, first.certificate.subject);
    assert.ok(second.privateKey.equals(first.privateKey));
    assert.ok(first.certificate.verify(second.certificate.publicKey));
    assert.equal(Date.parse(second.certificate.validFrom), clock.now() - DAY_MS);
    assert.equal(second.expiration.getTime(), clock.now() + 3652 * DAY_MS);
    assert.equal(logger.lines.length, 1);
    assert.match(logger.lines[0] ?? '', /^warning listener .*anonymous\.pem expires on 2036-.* with the same key/);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['anonymous.pem']);
    assert.equal(fingerprint(await anonymousIdentity(folder, { clock, logger })), fingerprint(second));
    assert.equal(logger.lines.length, 1);
  });

  test('renews it when it has expired, too, and leaves it alone while the clock is behind', async (context) => {
    const { folder } = await place(context);
    const logger = memoryLogger();
    const first = await anonymousIdentity(folder, {
      clock: new VirtualClock({ startMs: Date.UTC(2026, 10, 22) }),
      logger,
    });
    const behind = new VirtualClock({ startMs: 60_000 });
    assert.equal(fingerprint(await anonymousIdentity(folder, { clock: behind, logger })), fingerprint(first));
    assert.deepEqual(logger.lines, []);
    const late = new VirtualClock({ startMs: Date.UTC(2040, 0, 1) });
    const second = await anonymousIdentity(folder, { clock: late, logger });
    assert.ok(second.privateKey.equals(first.privateKey));
    assert.ok(second.expiration.getTime() > late.now());
    assert.match(logger.lines[0] ?? '', /expired on 2036-/);
  });

  test('uses the renewed certificate although the disk does not take it', async (context) => {
    const { folder } = await place(context);
    const clock = new VirtualClock({ startMs: Date.UTC(2026, 10, 22) });
    const first = await anonymousIdentity(folder, { clock });
    await clock.advance(renewalDueAt(first) - clock.now());
    const readOnly = readOnlyDirectory(context, folder);
    if (readOnly.reason !== undefined) return context.skip(readOnly.reason);
    const logger = memoryLogger();
    const second = await anonymousIdentity(readOnly.path, { clock, logger });
    assert.ok(second.privateKey.equals(first.privateKey));
    assert.ok(second.expiration > first.expiration);
    assert.match(logger.lines[1] ?? '', /^warning listener the renewed certificate could not be kept: /);
  });

  test('does not believe a clock that stands before this program was written', async (context) => {
    const { folder } = await place(context);
    const clock = new VirtualClock({ startMs: 86_400 });
    const { certificate } = await anonymousIdentity(folder, { clock, logger: silentLogger });
    assert.equal(new Date(certificate.validFrom).getUTCFullYear(), 2025);
    assert.equal(new Date(certificate.validTo).getUTCFullYear(), 2036);
  });

  test('writes dates beyond 2049 as X.509 wants them', async (context) => {
    const { folder } = await place(context);
    const clock = new VirtualClock({ startMs: Date.UTC(2045, 0, 1) });
    const { expiration } = await anonymousIdentity(folder, { clock });
    assert.equal(expiration.toISOString(), new Date(clock.now() + 3652 * DAY_MS).toISOString());
  });
});

/** Calls `anonymousIdentity` in a process of its own. */
async function inAnotherProcess(folder: string): Promise<{ fingerprint: string; forgeIsLoaded: boolean }> {
  const security = new URL('../../src/security/index.ts', import.meta.url).href;
  const program = `
    import { createRequire } from 'node:module';
    import { anonymousIdentity } from ${JSON.stringify(security)};
    const { certificate } = await anonymousIdentity(${JSON.stringify(folder)});
    const loaded = Object.keys(createRequire(import.meta.url)('node:module')._cache);
    const forgeIsLoaded = loaded.some((path) => path.includes('/node-forge/'));
    console.log(JSON.stringify({ fingerprint: certificate.fingerprint256, forgeIsLoaded }));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  return JSON.parse(stdout);
}
