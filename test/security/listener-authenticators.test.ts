import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import {
  BasicAuthenticator,
  ListenerCertificateAuthenticator,
  ListenerPasswordAuthenticator,
  secretsEqual,
} from '../../src/security/index.js';
import { chainedIdentity, issue } from '../support/certificates.js';
import { memoryLogger } from '../support/memory-logger.js';

const basic = (text: string): string => `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;

describe('ListenerPasswordAuthenticator', () => {
  test('refuses a callback that is no function', () => {
    assert.throws(() => new ListenerPasswordAuthenticator('secret' as never), { code: 'ARGUMENT_INVALID' });
  });

  for (const [what, authorization] of [
    ['no header', undefined],
    ['an empty header', ''],
    ['another scheme', 'Bearer YWxpY2U6cGEkJHcwcmQ='],
    ['no credentials', 'Basic'],
    ['something that is no base64', 'Basic a!b?'],
    ['base64 that is cut short', 'Basic YWxpY2U6cGEkJHcwcmQ'],
    ['the base64 of URLs', `Basic ${Buffer.from('alice:??>>').toString('base64url')}`],
    ['no colon', basic('alice')],
    ['bytes that are no UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`],
    ['more than 8 KiB', basic(`alice:${'x'.repeat(6200)}`)],
  ] as const) {
    test(`refuses ${what} without calling back`, async () => {
      const authenticator = new ListenerPasswordAuthenticator(() => assert.fail('was called'));
      const result = await authenticator.authenticate({ authorization });
      assert.equal(result.ok, false);
    });
  }

  test('asks the callback and tells who it is', async () => {
    const users = new Map([['alice', 'pa:$$w0rd']]);
    const authenticator = new ListenerPasswordAuthenticator((username, password) => users.get(username) === password);
    assert.deepEqual(await authenticator.authenticate({ authorization: basic('alice:pa:$$w0rd') }), {
      ok: true,
      username: 'alice',
    });
    assert.deepEqual(await authenticator.authenticate({ authorization: basic('alice:wrong') }), {
      ok: false,
      status: 401,
      reason: 'user name or password is wrong',
    });
    assert.equal((await authenticator.authenticate({ authorization: basic('bob:pa:$$w0rd') })).ok, false);
  });

  test('waits for a promise, and reads the scheme in any case', async () => {
    const authenticator = new ListenerPasswordAuthenticator((username) => Promise.resolve(username === 'alice'));
    assert.equal((await authenticator.authenticate({ authorization: 'bAsIc  YWxpY2U6cGEkJHcwcmQ= ' })).ok, true);
    assert.equal((await authenticator.authenticate({ authorization: basic('bob:x') })).ok, false);
  });

  test('takes the longest header that a BasicAuthenticator gives', async () => {
    const longest = new BasicAuthenticator('alice', 'x'.repeat(6132)).credentials().authorization;
    assert.ok(longest.length > 8180 && longest.length <= 8192);
    assert.equal(
      (await new ListenerPasswordAuthenticator(() => true).authenticate({ authorization: longest })).ok,
      true,
    );
  });

  for (const [what, callback] of [
    [
      'throws',
      (_username: string, password: string): boolean => {
        throw new Error(`no user has the password ${password}`);
      },
    ],
    [
      'rejects',
      (_username: string, password: string) => Promise.reject(new Error(`database\n\u001b[2Jsays: ${password}`)),
    ],
  ] as const) {
    test(`refuses when the callback ${what}, and logs it without the password`, async () => {
      const logger = memoryLogger();
      const result = await new ListenerPasswordAuthenticator(callback).authenticate(
        { authorization: basic('alice:pa$$w0rd') },
        logger,
      );
      assert.deepEqual(result, { ok: false, status: 401, reason: 'user name or password is wrong' });
      assert.equal(logger.lines.length, 1);
      assert.match(logger.lines[0] ?? '', /^error listener the password callback failed.*\*\*\*/);
      assert.doesNotMatch(logger.lines.join(), /pa\$\$w0rd/);
      assert.ok(!logger.lines.join().includes('\u001b') && !logger.lines.join().includes('\n'));
    });
  }

  for (const value of [1, 'yes', undefined, {}]) {
    test(`refuses when the callback gives ${inspect(value)}: only true opens the door`, async () => {
      const logger = memoryLogger();
      const authenticator = new ListenerPasswordAuthenticator(() => value as boolean);
      assert.equal((await authenticator.authenticate({ authorization: basic('alice:x') }, logger)).ok, false);
      assert.match(logger.lines.join(), /instead of a boolean/);
    });
  }
});

describe('ListenerPasswordAuthenticator.forUsers', () => {
  test('lets in who has the password of its name, and nobody else', async () => {
    const authenticator = ListenerPasswordAuthenticator.forUsers({ alice: 'pa:$$w0rd', ['__proto__']: 'x', é: 'ü' });
    const outcome = async (text: string): Promise<boolean> =>
      (await authenticator.authenticate({ authorization: basic(text) })).ok;
    for (const right of ['alice:pa:$$w0rd', '__proto__:x', 'é:ü']) assert.equal(await outcome(right), true, right);
    for (const wrong of [
      'alice:',
      'alice:pa:$$w0r',
      'alice:x',
      'Alice:pa:$$w0rd',
      'bob:',
      ':',
      'bob:x',
      'constructor:',
    ]) {
      assert.equal(await outcome(wrong), false, wrong);
    }
    assert.equal(authenticator.claimOf({ authorization: basic('bob:x') }), 'bob');
    assert.equal(authenticator.claimOf({ authorization: 'Basic !' }), undefined);
  });

  for (const [what, users] of [
    ['nobody', {}],
    ['null', null],
    ['text', 'alice'],
    ['an empty password', { alice: '' }],
    ['a password that was not filled in', { alice: undefined }],
    ['a name with a colon', { 'al:ice': 'secret-word' }],
  ] as const) {
    test(`refuses ${what}, and shows no password`, () => {
      assert.throws(
        () => ListenerPasswordAuthenticator.forUsers(users as never),
        (error: Error & { code: string }) => error.code === 'ARGUMENT_INVALID' && !/secret-word/.test(error.message),
      );
    });
  }

  test('shows no password', () => {
    const text = inspect(ListenerPasswordAuthenticator.forUsers({ alice: 'secret-word' }), {
      depth: 9,
      showHidden: true,
    });
    assert.doesNotMatch(text, /secret-word/);
  });
});

test('secretsEqual compares whole texts, and nothing but texts', () => {
  assert.equal(secretsEqual('pa$$w0rd é', 'pa$$w0rd é'), true);
  assert.equal(secretsEqual('', ''), true);
  for (const [a, b] of [
    ['a', 'b'],
    ['a', 'a\0'],
    ['a', ''],
    ['a', undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(secretsEqual(a, b), false);
  }
});

describe('ListenerCertificateAuthenticator', () => {
  test('wants roots, one of which signs itself, or a callback', async () => {
    const { root, intermediate, leaf } = await chainedIdentity('engine');
    for (const wrong of [
      undefined,
      null,
      [],
      'root',
      [root.certificate.toString()],
      [leaf.certificate],
      [intermediate.certificate],
    ]) {
      assert.throws(() => new ListenerCertificateAuthenticator(wrong as never), { code: 'ARGUMENT_INVALID' });
    }
    const { roots } = new ListenerCertificateAuthenticator([intermediate.certificate, root.certificate]);
    assert.equal(roots?.length, 2);
    assert.equal(new ListenerCertificateAuthenticator(() => true).roots, undefined);
  });

  test('believes what OpenSSL says of the roots', async () => {
    const { root, identity } = await chainedIdentity('engine');
    const authenticator = new ListenerCertificateAuthenticator([root.certificate]);
    const chain = identity.certs;
    assert.deepEqual(await authenticator.authenticate({ chain }), { ok: true, certificates: chain });
    for (const [shown, status] of [
      [{ chain, chainError: 'CERT_HAS_EXPIRED' }, 495],
      [{ chain: [] }, 496],
      [{ chain: [], chainError: 'UNABLE_TO_GET_ISSUER_CERT' }, 496],
      [{}, 496],
    ] as const) {
      const result = await authenticator.authenticate(shown);
      assert.equal(result.ok ? 101 : result.status, status);
    }
    assert.equal(authenticator.claimOf({ chain }), chain[0]?.fingerprint256);
    assert.equal(authenticator.claimOf({ chain: [] }), undefined);
  });

  test('leaves everything to a callback', async () => {
    const { identity } = await chainedIdentity('engine');
    const authenticator = new ListenerCertificateAuthenticator(([own]) =>
      Promise.resolve(own?.subject === 'CN=engine'),
    );
    const result = await authenticator.authenticate({ chain: identity.certs, chainError: 'CERT_HAS_EXPIRED' });
    assert.equal(result.ok, true);
    const { certificate } = await issue('other');
    assert.deepEqual(await authenticator.authenticate({ chain: [certificate] }), {
      ok: false,
      status: 495,
      reason: 'the client certificate is not accepted',
    });
  });

  for (const [what, callback, words] of [
    ['throws', () => Promise.reject(new Error('no\ndirectory')), /the certificate callback failed.*no directory/],
    ['gives no boolean', () => 1, /instead of a boolean/],
    ['gives nothing', () => undefined, /instead of a boolean/],
  ] as const) {
    test(`refuses when the callback ${what}, and logs it`, async () => {
      const logger = memoryLogger();
      const { certificate } = await issue('engine');
      const authenticator = new ListenerCertificateAuthenticator(callback as never);
      assert.equal((await authenticator.authenticate({ chain: [certificate] }, logger)).ok, false);
      assert.match(logger.lines.join('|'), words);
    });
  }
});
