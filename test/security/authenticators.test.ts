import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { BasicAuthenticator, ListenerPasswordAuthenticator } from '../../src/security/index.js';
import { memoryLogger } from '../support/memory-logger.js';

const basic = (text: string): string => `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;

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
    assert.equal(new BasicAuthenticator('alice', 'pa$$w0rd').authorization(), 'Basic YWxpY2U6cGEkJHcwcmQ=');
  });

  test('encodes as UTF-8 and allows a password with colons, or none', () => {
    assert.equal(new BasicAuthenticator('Jörg', 'grün:塩').authorization(), basic('Jörg:grün:塩'));
    assert.equal(new BasicAuthenticator('guest', '').authorization(), basic('guest:'));
  });

  test('shows its user name and hides its password', () => {
    const authenticator = new BasicAuthenticator('alice', 'pa$$w0rd');
    const shown = [
      inspect(authenticator, { showHidden: true, depth: 9 }),
      inspect({ options: { authenticator } }, { depth: 9 }),
      JSON.stringify({ authenticator }),
      `${JSON.stringify(Object.entries(authenticator))}`,
    ];
    assert.match(shown[0] ?? '', /alice/);
    for (const text of shown) assert.doesNotMatch(text, /pa\$\$w0rd|cGEkJHcwcmQ/);
  });
});

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
      const result = await authenticator.authenticate(authorization);
      assert.equal(result.ok, false);
    });
  }

  test('asks the callback and tells who it is', async () => {
    const users = new Map([['alice', 'pa:$$w0rd']]);
    const authenticator = new ListenerPasswordAuthenticator((username, password) => users.get(username) === password);
    assert.deepEqual(await authenticator.authenticate(basic('alice:pa:$$w0rd')), { ok: true, username: 'alice' });
    assert.deepEqual(await authenticator.authenticate(basic('alice:wrong')), {
      ok: false,
      reason: 'user name or password is wrong',
    });
    assert.equal((await authenticator.authenticate(basic('bob:pa:$$w0rd'))).ok, false);
  });

  test('waits for a promise, and reads the scheme in any case', async () => {
    const authenticator = new ListenerPasswordAuthenticator((username) => Promise.resolve(username === 'alice'));
    assert.equal((await authenticator.authenticate('bAsIc  YWxpY2U6cGEkJHcwcmQ= ')).ok, true);
    assert.equal((await authenticator.authenticate(basic('bob:x'))).ok, false);
  });

  test('takes the longest header that a BasicAuthenticator gives', async () => {
    const longest = new BasicAuthenticator('alice', 'x'.repeat(6132)).authorization();
    assert.ok(longest.length > 8180 && longest.length <= 8192);
    assert.equal((await new ListenerPasswordAuthenticator(() => true).authenticate(longest)).ok, true);
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
      const result = await new ListenerPasswordAuthenticator(callback).authenticate(basic('alice:pa$$w0rd'), logger);
      assert.deepEqual(result, { ok: false, reason: 'user name or password is wrong' });
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
      assert.equal((await authenticator.authenticate(basic('alice:x'), logger)).ok, false);
      assert.match(logger.lines.join(), /instead of a boolean/);
    });
  }
});
