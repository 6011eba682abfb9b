import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Window } from '../../src/replicator/window.js';

/** Whether a promise has settled once everything that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return settled;
}

describe('Window', () => {
  it('lets in as many as there are places, and the others in turn', async () => {
    const window = new Window(2);
    const order: number[] = [];
    for (let number = 0; number < 5; number++) void window.enter().then(() => order.push(number));
    await isSettled(Promise.resolve());
    assert.deepEqual(order, [0, 1]);
    assert.deepEqual([window.size, window.isFull], [5, true]);
    window.leave();
    await isSettled(Promise.resolve());
    assert.deepEqual(order, [0, 1, 2]);
    window.leave();
    window.leave();
    await isSettled(Promise.resolve());
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
  });

  it('counts bytes too, and lets one that is larger than all of it in when it is alone', async () => {
    const window = new Window(10, 100);
    assert.equal(await isSettled(window.enter(60)), true);
    const large = window.enter(1_000);
    const small = window.enter(1);
    assert.equal(await isSettled(large), false);
    assert.equal(await isSettled(small), false, 'it overtook one that waits');
    window.leave(60);
    assert.equal(await isSettled(large), true);
    assert.equal(await isSettled(small), false);
    window.leave(1_000);
    assert.equal(await isSettled(small), true);
  });

  it('tells when it is idle, and when there are few enough', async () => {
    const window = new Window(10);
    assert.equal(await isSettled(window.idle()), true);
    for (let count = 0; count < 3; count++) void window.enter(10);
    const [idle, belowThree, belowBytes] = [window.idle(), window.below(3), window.below(10, 20)];
    assert.equal(await isSettled(Promise.race([idle, belowThree, belowBytes])), false);
    window.leave(10);
    assert.deepEqual(await Promise.all([idle, belowThree, belowBytes].map(isSettled)), [false, true, false]);
    window.leave(10);
    assert.equal(await isSettled(belowBytes), true);
    window.leave(10);
    assert.equal(await isSettled(idle), true);
  });

  it('is not idle while somebody waits for a place', async () => {
    const window = new Window(1);
    void window.enter();
    void window.enter();
    const idle = window.idle();
    window.leave();
    assert.equal(await isSettled(idle), false);
    window.leave();
    assert.equal(await isSettled(idle), true);
  });

  it('gives several places at once, and none of them before there is room for all', async () => {
    const window = new Window(10, 1_000);
    assert.equal(await isSettled(window.enter(10, 6)), true);
    const five = window.enter(10, 5);
    const one = window.enter(10);
    assert.deepEqual([window.size, window.isFull], [12, false]);
    assert.deepEqual(await Promise.all([five, one].map(isSettled)), [false, false], 'it overtook one that waits');
    window.leave(4, 1);
    assert.deepEqual(await Promise.all([five, one].map(isSettled)), [true, false]);
    assert.deepEqual([window.size, window.isFull], [11, true]);
    window.leave(6, 5);
    assert.equal(await isSettled(one), true);
    window.leave(10, 5);
    assert.equal(window.size, 1);
    window.leave(10);
    assert.equal(await isSettled(window.idle()), true);
    assert.equal(window.size, 0);
  });

  it('lets in more than there are places, or bytes, when they are alone', async () => {
    for (const [bytes, count] of [
      [1, 25],
      [5_000, 2],
    ] as const) {
      const window = new Window(10, 1_000);
      void window.enter(1);
      const large = window.enter(bytes, count);
      assert.equal(await isSettled(large), false);
      window.leave(1);
      assert.equal(await isSettled(large), true);
      const next = window.enter();
      window.leave(bytes, count);
      assert.equal(await isSettled(next), true);
      assert.equal(window.size, 1);
    }
  });

  it('counts those that wait one by one, and bytes only where they are under way', async () => {
    const window = new Window(4);
    void window.enter(100, 4);
    void window.enter(100, 3);
    const [belowSeven, belowFour, belowBytes] = [window.below(7), window.below(4), window.below(100, 101)];
    assert.deepEqual(await Promise.all([belowSeven, belowFour, belowBytes].map(isSettled)), [false, false, true]);
    window.leave(25, 1);
    assert.deepEqual(await Promise.all([belowSeven, belowFour].map(isSettled)), [true, false]);
    window.leave(75, 3); // the others enter
    assert.equal(await isSettled(belowFour), true);
    assert.equal(window.size, 3);
  });
});
