/** When a broker is asked for a sign of life, and when it is given up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../support/virtual-clock.js';
import { KeepAlive } from '../../transports/mqtt/keep-alive.js';

function begin() {
  const clock = new VirtualClock();
  const pings: number[] = [];
  const silences: number[] = [];
  const keepAlive = new KeepAlive({
    clock,
    intervalMs: 30_000,
    onPing: () => pings.push(clock.monotonic()),
    onSilent: (ms) => silences.push(ms),
  });
  return { clock, pings, silences, keepAlive };
}

test('a ping goes out in each interval while answers come', async () => {
  const { clock, pings, silences, keepAlive } = begin();
  for (let second = 0; second < 95; second++) {
    await clock.advance(1_000);
    if (second % 30 === 5) keepAlive.heard();
  }
  assert.deepEqual(pings, [30_000, 60_000, 90_000]);
  assert.deepEqual(silences, []);
});

test('much that arrives does not take the place of a ping: the broker must hear from us', async () => {
  const { clock, pings, keepAlive } = begin();
  for (let second = 0; second < 61; second++) {
    keepAlive.heard();
    await clock.advance(1_000);
  }
  assert.deepEqual(pings, [30_000, 60_000]);
});

test('without an answer it is silent after half an interval, once', async () => {
  const { clock, pings, silences, keepAlive } = begin();
  await clock.advance(20_000);
  keepAlive.heard();
  await clock.advance(24_999);
  assert.deepEqual(silences, []);
  await clock.advance(1);
  assert.deepEqual(silences, [25_000]);
  await clock.advance(1_000_000);
  assert.deepEqual([pings.length, silences.length, clock.pendingTimers], [1, 1, 0]);
});

test('nothing is left when it is stopped, also by what it calls', async () => {
  const { clock, silences, keepAlive } = begin();
  await clock.advance(31_000);
  keepAlive.stop();
  keepAlive.stop();
  assert.equal(clock.pendingTimers, 0);
  await clock.advance(1_000_000);
  assert.deepEqual(silences, []);

  const other = new VirtualClock();
  const stopping: KeepAlive = new KeepAlive({
    clock: other,
    intervalMs: 1_000,
    onPing: () => stopping.stop(),
    onSilent: () => assert.fail('it was stopped'),
  });
  await other.advance(5_000);
  assert.equal(other.pendingTimers, 0);
});
