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
});
