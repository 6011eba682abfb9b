/** A connection that has nothing to send gives back what it does not need. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Rest } from '../../src/replicator/rest.js';
import { VirtualClock } from '../support/virtual-clock.js';

describe('the rest of a connection', () => {
  it('begins when nothing was sent for as long, once, and again after something was', async () => {
    const clock = new VirtualClock();
    let rests = 0;
    const rest = new Rest(clock, 10_000, () => rests++);
    await clock.advance(60_000);
    assert.equal(rests, 0, 'nothing was sent yet');
    for (let second = 0; second < 30; second++) {
      rest.used();
      await clock.advance(1_000);
    }
    assert.equal(rests, 0, 'it was busy all the time');
    await clock.advance(20_000);
    assert.equal(rests, 1);
    await clock.advance(60_000);
    assert.equal(rests, 1);
    rest.used();
    await clock.advance(20_000);
    assert.equal(rests, 2);
  });

  it('does not begin after the connection is over', async () => {
    const clock = new VirtualClock();
    let rests = 0;
    const rest = new Rest(clock, 10_000, () => rests++);
    rest.used();
    rest.stop();
    await clock.advance(60_000);
    assert.equal(rests, 0);
  });
});
