import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { deferred, systemClock } from '../../src/base/index.js';

test('does not call a timer that was cancelled, however often', async () => {
  const later = deferred();
  let called = false;
  const timer = systemClock.setTimer(0, () => (called = true));
  timer.cancel();
  timer.cancel();
  systemClock.setTimer(1, () => later.resolve());
  await later.promise;
  assert.ok(!called);
});

test('calls a timer once, not before its delay has passed', async () => {
  const fired = deferred();
  const start = systemClock.monotonic();
  let calls = 0;
  const timer = systemClock.setTimer(20, () => {
    calls++;
    fired.resolve();
  });
  await fired.promise;
  timer.cancel();
  assert.equal(calls, 1);
  // Timers count in whole milliseconds.
  assert.ok(systemClock.monotonic() - start >= 19);
});

test('does not fire a timer of a month at once', async () => {
  const later = deferred();
  let called = false;
  const timer = systemClock.setTimer(40 * 24 * 3600 * 1000, () => (called = true));
  systemClock.setTimer(5, () => later.resolve());
  await later.promise;
  timer.cancel();
  assert.ok(!called);
});

test('tells the time of the machine and durations that never shrink', () => {
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
  let last = systemClock.monotonic();
  for (let round = 0; round < 1000; round++) {
    const next = systemClock.monotonic();
    assert.ok(next >= last);
    last = next;
  }
});

test('lets the process end while a background timer runs', () => {
  const script = `import { systemClock } from ${JSON.stringify(new URL('../../src/base/index.ts', import.meta.url).href)};
    systemClock.setTimer(60_000, () => process.exit(9), { background: true });`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(status, 0, stderr);
});
