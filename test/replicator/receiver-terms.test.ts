import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageProperties } from '../../src/blip/index.js';
import { ReceiverTerms } from '../../src/replicator/receiver-terms.js';

const reply = (properties: Record<string, string>): MessageProperties =>
  new MessageProperties(Object.entries(properties).flat());

describe('what a receiver says of itself', () => {
  it('holds for one list, but for deltas, which it takes until it says otherwise', () => {
    const terms = new ReceiverTerms(true);
    assert.deepEqual(terms.learn(reply({})), { maxHistory: undefined, blobs: false, deltas: false });
    assert.deepEqual(terms.learn(reply({ maxHistory: '20', blobs: 'true', deltas: 'true' })), {
      maxHistory: 20,
      blobs: true,
      deltas: true,
    });
    assert.deepEqual(terms.learn(reply({ deltas: '' })), { maxHistory: undefined, blobs: false, deltas: true });
    assert.equal(terms.learn(reply({ deltas: 'false' })).deltas, false);
    assert.equal(terms.learn(reply({})).deltas, false);
    assert.equal(terms.learn(reply({ deltas: '1' })).deltas, true);
  });

  it('makes nobody send deltas who sends none', () => {
    assert.equal(new ReceiverTerms(false).learn(reply({ deltas: 'true' })).deltas, false);
  });

  it('says that it takes batches once, for the whole connection', () => {
    const terms = new ReceiverTerms(true);
    assert.equal(terms.takesBatches, false);
    for (const [value, expected] of [
      [undefined, false],
      ['', false],
      ['0', false],
      ['x', false],
      ['1', true],
      [undefined, true],
      ['0', true],
    ] as const) {
      terms.learn(reply(value === undefined ? { blobs: 'true' } : { hawserRevs: value }));
      assert.equal(terms.takesBatches, expected, value);
    }
    assert.equal(new ReceiverTerms(false, true).takesBatches, true);
  });

  it('is what the latest reply said, and nothing before the first', () => {
    const terms = new ReceiverTerms(true, true);
    assert.equal(terms.latest, undefined);
    const first = terms.learn(reply({ maxHistory: '20', deltas: '1' }));
    assert.equal(terms.latest, first);
    assert.deepEqual(terms.learn(reply({})), { maxHistory: undefined, blobs: false, deltas: true });
    assert.notEqual(terms.latest, first);
  });
});
