import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkpointID,
  compareCheckpoints,
  formatCheckpoint,
  parseCheckpoint,
} from '../../src/replicator/checkpoint.js';
import { isBefore } from '../../src/replicator/sequence-order.js';
import { SequenceSet } from '../../src/replicator/sequence-set.js';

const parsed = (text: string) => {
  const checkpoint = parseCheckpoint(text);
  assert.ok(checkpoint);
  return checkpoint;
};

describe('the JSON of a checkpoint', () => {
  it('is that of the example in section 4.1 of the specification', () => {
    const text = '{"time":1712345678,"local":10,"localCompleted":[0,11,12,3],"remote":"5::42"}';
    assert.equal(formatCheckpoint(parsed(text), 1712345678), text);
  });

  it('leaves out what is not known', () => {
    assert.equal(formatCheckpoint({ pushed: new SequenceSet(), pulled: undefined }, 5), '{"time":5}');
  });

  it('keeps a 64-bit sequence exact', () => {
    assert.equal(parsed('{"remote":9223372036854775807}').pulled, '9223372036854775807');
  });

  it('counts as absent where it is no checkpoint', () => {
    for (const text of [undefined, '', 'nojson', '[]', 'null', '3']) assert.equal(parseCheckpoint(text), undefined);
  });

  it('falls back to `local` where `localCompleted` is unusable', () => {
    assert.deepEqual(parsed('{"local":3,"localCompleted":"x"}').pushed.toList(), [0, 4]);
    assert.deepEqual(parsed('{"local":-3}').pushed.toList(), [0, 1]);
  });
});

describe('comparing the two copies of a checkpoint (specification 4.3)', () => {
  const compare = (local: string | undefined, remote: string | undefined): [number, string | undefined, boolean] => {
    const { checkpoint, agreed } = compareCheckpoints(parseCheckpoint(local), parseCheckpoint(remote));
    return [checkpoint.pushed.firstMissing - 1, checkpoint.pulled, agreed];
  };

  it('goes on where both say the same', () => {
    assert.deepEqual(compare('{"time":1,"local":5,"remote":7}', '{"time":2,"local":5,"remote":7}'), [5, '7', true]);
  });

  it('starts from zero without a local copy, whatever the remote has', () => {
    assert.deepEqual(compare(undefined, '{"local":5,"remote":7}'), [0, undefined, true]);
  });

  it('believes nothing of what is recorded of the remote where neither side has a copy', () => {
    assert.deepEqual(compare(undefined, undefined), [0, undefined, false]);
  });

  it('starts from zero when the remote has lost its copy', () => {
    assert.deepEqual(compare('{"local":5,"remote":7}', undefined), [0, undefined, false]);
  });

  it('pushes what either side has not done', () => {
    assert.deepEqual(compare('{"local":5}', '{"local":3}'), [3, undefined, false]);
    assert.deepEqual(compare('{"local":3}', '{"local":5}'), [3, undefined, false]);
  });

  it('pulls from the earlier position', () => {
    assert.deepEqual(compare('{"remote":7}', '{"remote":4}'), [0, '4', false]);
    assert.deepEqual(compare('{"remote":4}', '{"remote":7}'), [0, '4', true]);
    assert.deepEqual(compare('{"remote":"a"}', '{"remote":7}'), [0, undefined, false]);
  });
});

describe('the order of sequences (specification 4.5)', () => {
  it('follows the table', () => {
    const before: [string, string][] = [
      ['4', '5'],
      ['4', '"5:1"'],
      ['"4:9"', '4'],
      ['"4:1"', '"5:0"'],
      ['"4:1"', '"4:2"'],
      ['5', '"5::9"'],
      ['"4::9"', '5'],
      ['"4::9"', '"5::1"'],
      ['"5::1"', '"5::2"'],
      ['"5:3:1"', '"5:4:0"'],
      ['9007199254740993', '9007199254740994'],
    ];
    for (const [a, b] of before) {
      assert.equal(isBefore(a, b), true, `${a} before ${b}`);
      assert.equal(isBefore(b, a), false, `${b} not before ${a}`);
    }
  });

  it('knows what it cannot compare', () => {
    for (const text of ['"x"', 'null', '1.5', '-1', '"1:2:3:4"', '""'])
      assert.equal(isBefore(text, '1'), undefined, text);
  });
});

describe('the ID of a checkpoint', () => {
  const identity = {
    privateUUID: 'u',
    scope: '_default',
    collection: 'c',
    push: true,
    pull: true,
    remoteID: 'wss://a/b',
    channels: undefined,
    documentIDs: undefined,
  };

  it('depends on every part of what is replicated, and on nothing else', () => {
    const id = checkpointID(identity);
    assert.match(id, /^cp-[A-Za-z0-9+/]{27}=$/);
    assert.equal(checkpointID({ ...identity }), id);
    const others = [
      { privateUUID: 'v' },
      { scope: 's' },
      { collection: 'd' },
      { push: false },
      { pull: false },
      { remoteID: 'wss://a/c' },
      { channels: ['a', 'b'] },
      { documentIDs: new Set(['a', 'b']) },
      { documentIDs: new Set(['a,b']) },
    ].map((change) => checkpointID({ ...identity, ...change }));
    assert.equal(new Set([id, ...others]).size, 10);
    const [one, other] = [
      { channels: ['a', 'b'], documentIDs: new Set(['x', 'y']) },
      { channels: ['b', 'a'], documentIDs: new Set(['y', 'x']) },
    ];
    assert.equal(checkpointID({ ...identity, ...one }), checkpointID({ ...identity, ...other }), 'in another order');
  });

  it('of the default collection stays the same when the direction changes', () => {
    const ofDefault = { ...identity, collection: '_default' };
    assert.equal(checkpointID({ ...ofDefault, push: false }), checkpointID({ ...ofDefault, pull: false }));
  });
});
