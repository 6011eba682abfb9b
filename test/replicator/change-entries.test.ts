import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/base/index.js';
import {
  parseChanges,
  parseChangesReply,
  parseJsonBody,
  parseProposalReply,
  parseProposals,
} from '../../src/replicator/change-entries.js';

const json = (text: string) => {
  const value = parseJsonBody(utf8(text));
  assert.notEqual(value, undefined);
  return value ?? null;
};

describe('changes', () => {
  it('takes flags as booleans and as bits, and sequences of any scalar kind', () => {
    assert.deepEqual(
      parseChanges(json('[[1,"a","1-aa"],["5::1","b","2-bb",true],[9223372036854775807,"c","3-cc",5,17]]')),
      [
        { sequence: '1', id: 'a', revisionID: '1-aa', flags: 0 },
        { sequence: '"5::1"', id: 'b', revisionID: '2-bb', flags: 1 },
        { sequence: '9223372036854775807', id: 'c', revisionID: '3-cc', flags: 5 },
      ],
    );
  });

  it('is empty for null', () => {
    assert.deepEqual(parseChanges(null), []);
  });

  it('refuses a list that no peer would send at once', () => {
    const list = (length: number) => Array.from({ length }, () => [1, 'a', '1-aa']);
    assert.equal(parseChanges(list(20_000)).length, 20_000);
    assert.throws(() => parseChanges(list(20_001)), { code: 'REPLICATION_PROTOCOL_ERROR', message: /20000/ });
    assert.throws(() => parseProposals(list(20_001)), { code: 'REPLICATION_PROTOCOL_ERROR', message: /20000/ });
  });

  it('refuses the whole list for one bad entry', () => {
    for (const entry of [
      '[]',
      '3',
      '[1,"","1-aa"]',
      '[1,2,"1-aa"]',
      '[1,"a","nohyphen"]',
      '[1,"a",""]',
      '[[1],"a","1-aa"]',
    ]) {
      const list = json(`[[1,"good","1-aa"],${entry}]`);
      assert.throws(() => parseChanges(list), { code: 'REPLICATION_PROTOCOL_ERROR' }, entry);
    }
    assert.throws(() => parseChanges(json(`[[1,"${'x'.repeat(256)}","1-aa"]]`)), {
      code: 'REPLICATION_PROTOCOL_ERROR',
    });
    assert.throws(() => parseChanges(json('{}')), { code: 'REPLICATION_PROTOCOL_ERROR' });
  });
});

describe('proposeChanges', () => {
  it('takes an empty, missing or null parent as none', () => {
    const parents = parseProposals(json('[["a","1-aa"],["a","1-aa",""],["a","1-aa",null],["a","2-aa","1-bb",9]]'));
    assert.deepEqual(
      parents.map((entry) => entry.parentID),
      [undefined, undefined, undefined, '1-bb'],
    );
  });
});

describe('the reply to changes', () => {
  it('means "send" only where there is an array (ground truth 2)', () => {
    const reply = utf8('[null,0,409,true,"x",{},[],["9-ff",7]]');
    assert.deepEqual(parseChangesReply(reply, 9), [...Array(6).fill(undefined), [], ['9-ff'], undefined]);
    assert.deepEqual(parseChangesReply(utf8(''), 1), [undefined]);
    assert.deepEqual(parseChangesReply(utf8('garbage'), 1), [undefined]);
  });
});

describe('the reply to proposeChanges', () => {
  it('means "send" wherever there is no refusal (ground truth 2)', () => {
    for (const text of ['', 'null', '{}', '[[', '[null,[],"x"]', '[0,0,0,0]']) {
      assert.deepEqual(
        parseProposalReply(utf8(text), 3).map((answer) => answer.status),
        [0, 0, 0],
        text,
      );
    }
  });

  it('takes numbers and objects', () => {
    assert.deepEqual(parseProposalReply(utf8('[304,{"status":409,"rev":"2-bb"},{"status":409,"rev":""}]'), 3), [
      { status: 304, revisionID: undefined },
      { status: 409, revisionID: '2-bb' },
      { status: 409, revisionID: undefined },
    ]);
  });
});
