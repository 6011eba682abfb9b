import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/base/index.js';
import { MessageProperties, type IncomingRequest } from '../../src/blip/index.js';
import { isDelta, readRevision, refuseBlobs, revMessage, sequenceOf } from '../../src/replicator/rev-message.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { revisionID } from '../support/hostile.js';

const known = (): boolean => false;

function incoming(properties: Record<string, string>, body: string | Uint8Array = '{}'): IncomingRequest {
  return {
    number: 1,
    properties: new MessageProperties(Object.entries(properties).flat()),
    body: typeof body === 'string' ? utf8(body) : body,
    noReply: false,
    urgent: false,
  };
}

function stored(content: Partial<StoredDocument>): StoredDocument {
  return {
    id: 'd',
    sequence: 7,
    revisionID: revisionID(3),
    deleted: false,
    body: '{"é":1}',
    hasBlobs: false,
    history: `${revisionID(2)},${revisionID(1)}`,
    conflicts: null,
    remotes: null,
    expiresAt: null,
    ...content,
  };
}

const options = { collection: 2, known: [], maxHistory: undefined, noConflicts: false };

describe('a rev message', () => {
  it('carries a revision with all that a receiver needs', () => {
    const { properties, body } = revMessage(stored({}), options);
    assert.deepEqual(properties, {
      Profile: 'rev',
      collection: '2',
      id: 'd',
      rev: revisionID(3),
      sequence: '7',
      history: `${revisionID(2)},${revisionID(1)}`,
    });
    assert.equal(Buffer.from(body ?? []).toString(), '{"é":1}');
  });

  it('says of a tombstone that it is one, and nothing of an empty history', () => {
    const { properties } = revMessage(stored({ deleted: true, body: '{}', history: '' }), {
      ...options,
      collection: undefined,
      noConflicts: true,
    });
    assert.deepEqual(properties, {
      Profile: 'rev',
      id: 'd',
      rev: revisionID(3),
      sequence: '7',
      deleted: '1',
      noconflicts: '1',
    });
  });

  it('goes back to what the receiver has, and no further than it wants', () => {
    const history = (given: Partial<typeof options> & { known?: readonly string[] }): string | undefined =>
      revMessage(stored({}), { ...options, ...given }).properties['history'];
    assert.equal(history({ known: [revisionID(2)] as never }), revisionID(2));
    assert.equal(history({ maxHistory: 1 as never }), undefined);
    assert.equal(history({ maxHistory: 2 as never, known: [revisionID(1)] as never }), revisionID(1));
  });

  it('shows a revision as a descendant of the parent it was accepted on, whatever was pruned', () => {
    const parent = revisionID(1, 'f');
    const { properties } = revMessage(stored({ revisionID: revisionID(5), history: revisionID(4) }), {
      ...options,
      known: [parent] as never,
      noConflicts: true,
    });
    const history = properties['history']?.split(',') ?? [];
    assert.equal(history.length, 4);
    assert.equal(history.at(-1), parent);
    const read = readRevision(incoming({ id: 'd', rev: revisionID(5), history: history.join(',') }), known);
    assert.deepEqual(read.history, history);
  });

  it('is read back as it was written', () => {
    const document = stored({ body: '{"a":[1.0,9007199254740993,-0.0]}', deleted: true });
    const { properties, body } = revMessage(document, options);
    const read = readRevision(incoming(properties, body), known);
    assert.deepEqual(read, {
      id: 'd',
      revisionID: document.revisionID,
      history: document.history.split(','),
      deleted: true,
      body: document.body,
      hasBlobs: false,
    });
  });

  it('has a sequence that is JSON, in one form', () => {
    for (const [text, expected] of [
      ['7', '7'],
      [' 7 ', '7'],
      ['"5::1"', '"5::1"'],
      ['9223372036854775807', '9223372036854775807'],
      ['null', 'null'],
      ['', undefined],
      ['5::1', undefined],
      ['{', undefined],
    ] as const) {
      assert.equal(sequenceOf(incoming({ sequence: text })), expected, text);
    }
    assert.equal(sequenceOf(incoming({})), undefined);
  });

  it('is a delta where it names the revision it is one to', () => {
    assert.equal(isDelta(incoming({ deltaSrc: '1-aa' })), true);
    assert.equal(isDelta(incoming({ deltaSrc: '' })), false);
    assert.equal(isDelta(incoming({})), false);
  });

  it('with blobs is refused as long as none are transferred', () => {
    const body = '{"a":[{"@type":"blob","digest":"sha1-x"}]}';
    const revision = readRevision(incoming({ id: 'd', rev: '1-aa' }, body), known);
    assert.throws(() => refuseBlobs(revision), { code: 'REPLICATION_BLOBS_UNSUPPORTED' });
    assert.doesNotThrow(() => refuseBlobs({ ...revision, hasBlobs: false }));
  });

  it('is refused where it is too large to be edited here, and to be passed on', () => {
    const body = `{"a":"${'x'.repeat(21 * 1024 * 1024)}"}`;
    assert.throws(() => readRevision(incoming({ id: 'd', rev: '1-aa' }, body), known), { code: 'DOCUMENT_TOO_LARGE' });
  });
});
