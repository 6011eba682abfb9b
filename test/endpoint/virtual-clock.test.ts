/** The clock that the scenarios stand on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../support/virtual-clock.js';

describe('VirtualClock', () => {
  test('stands still until it is moved', () => {
    const clock = new VirtualClock({ startMs: 1_000 });
    assert.deepEqual([clock.now(), clock.monotonic()], [1_000, 0]);
  });

  test('fires in the order of time, then of setting, at the right time', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    const note = (name: string) => (): void => void log.push(`${name} at ${clock.monotonic()}`);
    clock.setTimer(20, note('c'));
    clock.setTimer(10, note('a'));
    clock.setTimer(10, note('b'));
    clock.setTimer(30, note('d'));
    await clock.advance(29);
    assert.deepEqual(log, ['a at 10', 'b at 10', 'c at 20']);
    assert.equal(clock.monotonic(), 29);
    assert.equal(clock.pendingTimers, 1);
    await clock.advance(1);
    assert.equal(log[3], 'd at 30');
  });

  test('fires timers that timers set, also through promises and immediates, within one advance', async () => {
    const clock = new VirtualClock();
    const log: number[] = [];
    clock.setTimer(10, () => {
      void Promise.resolve().then(() => {
        setImmediate(() => clock.setTimer(10, () => log.push(clock.monotonic())));
      });
    });
    await clock.advance(100);
    assert.deepEqual(log, [20]);
  });

  test('lets the consequences of one timer happen before the next fires', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimer(10, () => {
      log.push('first');
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => log.push('its promise'));
      setImmediate(() => log.push('its immediate'));
    });
    clock.setTimer(10, () => log.push('second'));
    await clock.advance(10);
    assert.deepEqual(log, ['first', 'its promise', 'its immediate', 'second']);
  });

  test('fires due timers with an advance of 0, and none that was cancelled', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimer(0, () => log.push('now'));
    clock.setTimer(-5, () => log.push('overdue'));
    const cancelled = clock.setTimer(0, () => log.push('never'));
    cancelled.cancel();
    cancelled.cancel();
    await clock.advance(0);
    assert.deepEqual(log, ['now', 'overdue']);
  });

  test('can cancel one timer from another that is due at the same time', async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.setTimer(5, () => second.cancel());
    const second = clock.setTimer(5, () => log.push('second'));
    await clock.advance(5);
    assert.deepEqual(log, []);
  });

  test('runs until only background timers are left', async () => {
    const clock = new VirtualClock();
    let beats = 0;
    const beat = (): void => {
      beats++;
      clock.setTimer(10, beat, { background: true });
    };
    clock.setTimer(10, beat, { background: true });
    clock.setTimer(35, () => clock.setTimer(20, () => undefined));
    await clock.runUntilIdle();
    assert.equal(clock.monotonic(), 55);
    assert.equal(beats, 5);
  });

  test('says so when it never becomes idle', async () => {
    const clock = new VirtualClock();
    const again = (): void => void clock.setTimer(100, again);
    again();
    await assert.rejects(clock.runUntilIdle(1_000), /not idle after 1000 ms/);
  });

  test('runs until a promise has settled, whichever way', async () => {
    const clock = new VirtualClock();
    const after = (ms: number): Promise<number> =>
      new Promise((resolve) => {
        clock.setTimer(ms, () => resolve(clock.monotonic()));
      });
    clock.setTimer(10_000, () => undefined);
    assert.equal(await clock.runUntil(after(70)), 70);
    await assert.rejects(clock.runUntil(Promise.reject(new Error('as it is'))), /as it is/);
    await assert.rejects(clock.runUntil(new Promise(() => {}), 500), /within 500/);
    assert.equal(clock.monotonic(), 70);
  });

  test('keeps durations when the wall clock jumps', async () => {
    const clock = new VirtualClock({ startMs: 5_000 });
    let fired = false;
    clock.setTimer(10, () => (fired = true));
    clock.jumpWallClock(-1_024 * 7 * 86_400_000);
    assert.equal(clock.now(), 5_000 - 619_315_200_000);
    await clock.advance(10);
    assert.equal(fired, true);
    assert.equal(clock.monotonic(), 10);
  });
});
