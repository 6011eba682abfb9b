/** What a client shows, and that nothing of it can be read where it does not belong. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { HawserError } from '../../src/errors.js';
import {
  BasicAuthenticator,
  ClientCertificateAuthenticator,
  SessionAuthenticator,
  type ClientAuthenticator,
  type TLSIdentity,
} from '../../src/security/index.js';
import { selfSignedIdentity } from '../support/certificates.js';

const basic = (text: string): string => `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;

/** All that is printed of it by accident. */
const printed = (authenticator: ClientAuthenticator): string =>
  [
    inspect(authenticator, { showHidden: true, depth: 12 }),
    inspect({ options: { authenticator } }, { showHidden: true, depth: 12 }),
    JSON.stringify({ authenticator }),
    JSON.stringify(Object.entries(authenticator)),
  ].join('\n');

describe('BasicAuthenticator', () => {
  for (const [what, username, password] of [
    ['a colon in the user name', 'al:ice', 'secret-word'],
    ['a line break in the password', 'alice', 'secret-word\r\nX-Header: 1'],
    ['half a surrogate pair', 'alice', 'secret-word\ud800'],
    ['a password that is no string', 'alice', 4711],
    ['a user name that is undefined', undefined, 'secret-word'],
    ['more text than a listener reads', 'alice', 'secret-word'.repeat(1000)],
  ] as const) {
    test(`refuses ${what} without repeating the password`, () => {
      assert.throws(
        () => new BasicAuthenticator(username as string, password as string),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'ARGUMENT_INVALID');
          assert.doesNotMatch(inspect(error), /secret-word|4711/);
          return true;
        },
      );
    });
  }

  test('gives the header of the specification', () => {
    assert.equal(new BasicAuthenticator('alice', 'pa$$w0rd').credentials().authorization, 'Basic YWxpY2U6cGEkJHcwcmQ=');
  });

  test('encodes as UTF-8 and allows a password with colons, or none', () => {
    assert.equal(new BasicAuthenticator('Jörg', 'grün:塩').credentials().authorization, basic('Jörg:grün:塩'));
    assert.equal(new BasicAuthenticator('guest', '').credentials().authorization, basic('guest:'));
  });

  test('shows its user name and hides its password', () => {
    const text = printed(new BasicAuthenticator('alice', 'pa$$w0rd'));
    assert.match(text, /alice/);
    assert.doesNotMatch(text, /pa\$\$w0rd|cGEkJHcwcmQ/);
  });
});

describe('SessionAuthenticator', () => {
  test('gives a cookie, of Sync Gateway unless another name is given', () => {
    assert.deepEqual(new SessionAuthenticator('904ac010862f37c8').credentials(), {
      cookie: 'SyncGatewaySession=904ac010862f37c8',
    });
    assert.equal(new SessionAuthenticator('a=b', 'Boat').credentials().cookie, 'Boat=a=b');
  });

  for (const [what, sessionID, cookieName] of [
    ['an empty session ID', '', undefined],
    ['a session ID that is undefined', undefined, undefined],
    ['a session ID that is no string', 4711, undefined],
    ['a second cookie', 'secret-word; admin=1', undefined],
    ['a line break', 'secret-word\r\nX-Header: 1', undefined],
    ['a space', 'secret word', undefined],
    ['a quote', '"secret-word"', undefined],
    ['a comma', 'secret-word,', undefined],
    ['a backslash', 'secret-word\\', undefined],
    ['what is not ASCII', 'secret-wörd', undefined],
    ['an empty name', 'secret-word', ''],
    ['a name with an equals sign', 'secret-word', 'a=b'],
    ['a name with a semicolon', 'secret-word', 'a;b'],
    ['a name that is null', 'secret-word', null],
    ['more text than a listener reads', 'secret-word'.repeat(1000), undefined],
  ] as const) {
    test(`refuses ${what} without repeating the session ID`, () => {
      assert.throws(
        () => new SessionAuthenticator(sessionID as string, cookieName as string | undefined),
        (error: HawserError) => {
          assert.equal(error.code, 'ARGUMENT_INVALID');
          assert.doesNotMatch(inspect(error), /secret.w[oö]rd|4711/);
          return true;
        },
      );
    });
  }

  test('shows the name of its cookie and hides the session ID', () => {
    const text = printed(new SessionAuthenticator('secret-word', 'Boat'));
    assert.match(text, /Boat/);
    assert.doesNotMatch(text, /secret-word/);
  });
});

describe('ClientCertificateAuthenticator', () => {
  let alice: TLSIdentity;
  let server: TLSIdentity;

  before(async () => {
    alice = await selfSignedIdentity('alice', { keyUsages: ['clientAuth'] });
    server = await selfSignedIdentity('boat', { keyUsages: ['serverAuth'] });
  });

  test('gives its identity', () => {
    assert.deepEqual(new ClientCertificateAuthenticator(alice).credentials(), { identity: alice });
  });

  test('60. refuses an identity that was issued for a listener', () => {
    assert.throws(() => new ClientCertificateAuthenticator(server), { code: 'IDENTITY_UNSUITABLE' });
  });

  test('refuses what is no identity, without repeating it', () => {
    for (const given of [undefined, null, alice.certificate, alice.privateKeyPem()]) {
      assert.throws(
        () => new ClientCertificateAuthenticator(given as never),
        (error: HawserError) => {
          assert.equal(error.code, 'ARGUMENT_INVALID');
          assert.doesNotMatch(inspect(error), /PRIVATE/);
          return true;
        },
      );
    }
  });

  test('shows whose certificate it is and hides the key', () => {
    const text = printed(new ClientCertificateAuthenticator(alice));
    assert.match(text, /CN=alice/);
    const key = alice.privateKeyPem().split('\n')[1] ?? '';
    assert.ok(key.length > 40);
    assert.ok(!text.includes(key) && !text.includes('PRIVATE'));
  });
});
