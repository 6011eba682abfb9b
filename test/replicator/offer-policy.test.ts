import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OfferPolicy } from '../../src/replicator/offer-policy.js';

describe('whether revisions are offered before they are sent', () => {
  it('they are until the peer has wanted all of a list', () => {
    const policy = new OfferPolicy();
    assert.equal(policy.isUnasked, false);
    policy.answered(true);
    assert.equal(policy.isUnasked, true);
    for (let list = 0; list < 5; list++) policy.answered(true);
    assert.equal(policy.isUnasked, true);
  });

  it('they are for three lists more where the peer has not wanted all of one, the first or a later one', () => {
    for (const wantedBefore of [0, 1, 7]) {
      const policy = new OfferPolicy();
      for (let list = 0; list < wantedBefore; list++) policy.answered(true);
      policy.answered(false);
      for (const isUnasked of [false, false, true]) {
        assert.equal(policy.isUnasked, false);
        policy.answered(true);
        assert.equal(policy.isUnasked, isUnasked, `${wantedBefore}`);
      }
    }
  });

  it('they are for three lists from the last doubt on', () => {
    const policy = new OfferPolicy();
    policy.answered(true);
    policy.doubt();
    policy.answered(true);
    policy.answered(true);
    for (let count = 0; count < 5; count++) policy.doubt(); // of one batch
    policy.answered(true);
    policy.answered(true);
    policy.answered(false);
    policy.answered(true);
    policy.answered(true);
    assert.equal(policy.isUnasked, false);
    policy.answered(true);
    assert.equal(policy.isUnasked, true);
  });

  it('they are after a doubt before the first answer', () => {
    const policy = new OfferPolicy();
    policy.doubt();
    policy.answered(true);
    assert.equal(policy.isUnasked, false);
  });
});
