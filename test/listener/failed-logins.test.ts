/** How long somebody has to wait who did not know the password. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FailedLogins } from '../../src/listener/failed-logins.js';
import { VirtualClock } from '../support/virtual-clock.js';

const HOUR_MS = 3_600_000;

function table(maxDelayMs = 60_000) {
  const clock = new VirtualClock();
  return { clock, logins: new FailedLogins({ clock, maxDelayMs }) };
}

function failTimes(logins: FailedLogins, times: number, address: string, claim = 'alice'): void {
  for (let count = 0; count < times; count++) logins.failed(address, claim);
}

describe('the wait after failed log-ins', () => {
  test('begins with the third and doubles up to the longest', () => {
    const { logins } = table();
    const waits = Array.from({ length: 10 }, () => {
      logins.failed('192.0.2.1', 'alice');
      return logins.waitFor('192.0.2.1', 'alice');
    });
    assert.deepEqual(waits, [0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('is never longer than the longest, however many fail, and ends', async () => {
    const { logins, clock } = table(5_000);
    failTimes(logins, 2_000, '192.0.2.1');
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 5_000);
    await clock.advance(4_999);
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 1);
    await clock.advance(1);
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 0);
  });

  test('holds for a name from an address: others wait only when the address has failed often', () => {
    const { logins } = table();
    failTimes(logins, 20, '192.0.2.1');
    assert.equal(logins.waitFor('192.0.2.1', 'bob'), 0);
    assert.equal(logins.waitFor('192.0.2.2', 'alice'), 0);
    failTimes(logins, 1, '192.0.2.1', 'carol');
    assert.equal(logins.waitFor('192.0.2.1', 'bob'), 1_000);
    assert.equal(logins.waitFor('192.0.2.2', 'bob'), 0);
  });

  test('holds for the whole network of an IPv6 address', () => {
    const { logins } = table();
    for (let host = 1; host <= 3; host++) logins.failed(`2001:db8:1:2::${host}`, 'alice');
    assert.equal(logins.waitFor('2001:db8:1:2:ffff::9', 'alice'), 1_000);
    assert.equal(logins.waitFor('2001:db8:1:3::1', 'alice'), 0);
  });

  test('is cleared for a name that succeeds, not for its address', () => {
    const { logins } = table();
    failTimes(logins, 25, '192.0.2.1', 'mallory');
    failTimes(logins, 3, '192.0.2.1', 'alice');
    const forTheAddress = logins.waitFor('192.0.2.1', 'nobody');
    assert.ok(forTheAddress > 0);
    logins.succeeded('192.0.2.1', 'alice');
    assert.equal(logins.waitFor('192.0.2.1', 'nobody'), forTheAddress);
    assert.equal(logins.waitFor('192.0.2.1', 'mallory'), 60_000);
  });

  test('of an address does not hold for who has proved himself from there, but his own does', () => {
    const { logins } = table();
    logins.succeeded('192.0.2.1', 'alice');
    failTimes(logins, 50, '192.0.2.1', 'mallory');
    assert.equal(logins.waitFor('192.0.2.1', 'bob'), 60_000);
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 0);
    assert.ok(logins.waitFor('192.0.2.2', 'alice') === 0);
    failTimes(logins, 3, '192.0.2.1', 'alice');
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 1_000);
  });

  test('is forgotten an hour after its end', async () => {
    const { logins, clock } = table();
    failTimes(logins, 3, '192.0.2.1');
    await clock.advance(1_000 + HOUR_MS - 1);
    logins.failed('192.0.2.1', 'alice');
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 2_000);
    await clock.advance(2_000 + HOUR_MS);
    logins.failed('192.0.2.1', 'alice');
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 0);
  });

  test('does not depend on the clock of the device', async () => {
    const { logins, clock } = table();
    failTimes(logins, 3, '192.0.2.1');
    clock.jumpWallClock(-1_000 * HOUR_MS);
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 1_000);
    await clock.advance(1_000);
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 0);
    clock.jumpWallClock(2_000 * HOUR_MS);
    failTimes(logins, 1, '192.0.2.1');
    assert.equal(logins.waitFor('192.0.2.1', 'alice'), 2_000);
  });

  test('costs no timer, and no more memory than 10,000 entries of one size', () => {
    const { logins, clock } = table();
    failTimes(logins, 3, '192.0.2.1', 'x'.repeat(1_000_000));
    for (let index = 0; index < 12_000; index++) logins.failed(`10.0.${index >> 8}.${index & 255}`, 'alice');
    assert.equal(logins.size, 10_000);
    assert.equal(clock.pendingTimers, 0);
    assert.equal(logins.waitFor('192.0.2.1', 'x'.repeat(1_000_000)), 0, 'the least recent is forgotten');
  });
});
