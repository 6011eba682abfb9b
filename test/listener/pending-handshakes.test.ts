/** Connections that are not let in yet: their deadline, their number, and that each end is told once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HawserError } from '../../src/errors.js';
import { PendingHandshakes, type PendingHandshake } from '../../src/listener/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

function pendingOf({ maxTotal = 10, maxPerAddress = 3 } = {}) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const gone: string[] = [];
  const onRefused = (address: string | undefined, error: HawserError): void =>
    void told.push(`${address} ${error.code}`);
  const handshakes = new PendingHandshakes({ clock, timeoutMs: 15_000, maxTotal, maxPerAddress, onRefused });
  const begin = (address: string | undefined, name = address ?? ''): PendingHandshake =>
    handshakes.begin(address, (error) => gone.push(`${name} ${error.code}`));
  return { clock, told, gone, handshakes, begin };
}

const refusal = (): HawserError => new HawserError('AUTHENTICATION_FAILED', 'no');

describe('a pending handshake', () => {
  test('is given up at its deadline, and told once', async () => {
    const { clock, told, gone, begin, handshakes } = pendingOf();
    const handshake = begin('192.0.2.1');
    const { signal } = handshake;
    await clock.advance(14_999);
    assert.deepEqual([gone, signal.aborted], [[], false]);
    await clock.advance(1);
    handshake.refuse(refusal());
    handshake.finish();
    assert.deepEqual([gone, told], [['192.0.2.1 CONNECTION_TIMEOUT'], ['192.0.2.1 CONNECTION_TIMEOUT']]);
    assert.deepEqual([signal.aborted, handshakes.size, clock.pendingTimers], [true, 0, 0]);
  });

  test('that was let in is not told, and has no deadline', async () => {
    const { clock, told, gone, begin } = pendingOf();
    begin('192.0.2.1').finish();
    await clock.advance(60_000);
    assert.deepEqual([told, gone], [[], []]);
  });

  test('that was refused keeps its deadline, and is told with its first reason', async () => {
    const { clock, told, gone, begin } = pendingOf();
    const handshake = begin('192.0.2.1');
    handshake.refuse(refusal());
    handshake.refuse(new HawserError('CONNECTION_LOST', 'gone'));
    assert.deepEqual([told, gone], [['192.0.2.1 AUTHENTICATION_FAILED'], []]);
    await clock.advance(15_000);
    assert.deepEqual([told.length, gone], [1, ['192.0.2.1 CONNECTION_TIMEOUT']]);
  });
});

describe('one pending handshake too many', () => {
  test('pushes out the oldest of its address, not of another', () => {
    const { gone, begin } = pendingOf();
    begin('192.0.2.9', 'other');
    for (const name of ['first', 'second', 'third']) begin('192.0.2.1', name);
    assert.deepEqual(gone, []);
    begin('192.0.2.1', 'fourth');
    assert.deepEqual(gone, ['first LISTENER_BUSY']);
    for (let host = 1; host <= 4; host++) begin(`2001:db8:1:2::${host}`, `v6 ${host}`);
    assert.deepEqual(gone.slice(1), ['v6 1 LISTENER_BUSY']);
  });

  test('pushes out the oldest of all', () => {
    const { gone, begin, handshakes } = pendingOf();
    for (let host = 1; host <= 10; host++) begin(`192.0.2.${host}`);
    assert.deepEqual(gone, []);
    begin('192.0.2.11');
    assert.deepEqual([gone, handshakes.size], [['192.0.2.1 LISTENER_BUSY'], 10]);
  });

  test('is not counted by address where the medium has none', () => {
    const { gone, begin } = pendingOf();
    for (let index = 0; index < 10; index++) begin(undefined);
    assert.deepEqual(gone, []);
  });
});

test('all pending handshakes end with the listener', () => {
  const { told, gone, begin, handshakes, clock } = pendingOf();
  begin('192.0.2.1').refuse(refusal());
  begin('192.0.2.2');
  handshakes.abandonAll(new HawserError('LISTENER_STOPPED', 'stopped'));
  assert.deepEqual(gone, ['192.0.2.1 LISTENER_STOPPED', '192.0.2.2 LISTENER_STOPPED']);
  assert.deepEqual(told, ['192.0.2.1 AUTHENTICATION_FAILED', '192.0.2.2 LISTENER_STOPPED']);
  assert.deepEqual([handshakes.size, clock.pendingTimers], [0, 0]);
});
