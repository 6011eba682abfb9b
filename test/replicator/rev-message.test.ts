import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/base/index.js';
import { MessageProperties, type IncomingRequest, type OutgoingMessage } from '../../src/blip/index.js';
import { readBody, readHeader, sentRevision } from '../../src/replicator/incoming-rev.js';
import { wholeBody } from '../../src/replicator/outgoing-delta.js';
import { norevMessage, revMessage as message, type RevOptions } from '../../src/replicator/rev-message.js';
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
    bases: null,
    expiresAt: null,
    ...content,
  };
}

const terms = { maxHistory: undefined, blobs: true, deltas: false };
const options: RevOptions = { collection: 2, known: [], terms, noConflicts: false };
const revMessage = (document: StoredDocument, given: RevOptions): OutgoingMessage =>
  message(document, wholeBody(document, true), given);

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
    const history = (known: readonly string[], maxHistory?: number): string | undefined =>
      revMessage(stored({}), { ...options, known, terms: { ...terms, maxHistory } }).properties['history'];
    assert.equal(history([revisionID(2)]), revisionID(2));
    assert.equal(history([], 1), undefined);
    assert.equal(history([revisionID(1)], 2), revisionID(1));
  });

  it('names the revision that it replaces, and keeps the sequence of the request', () => {
    const replaced = { sequence: 5, revisionID: revisionID(2) };
    const { properties } = revMessage(stored({}), { ...options, replaced });
    assert.equal(properties['rev'], revisionID(3));
    assert.equal(properties['replacedRev'], revisionID(2));
    assert.equal(properties['sequence'], '5');
  });

  it('names the base of a delta, and carries it in place of the body', () => {
    const delta = { text: '{}', deltaSrc: revisionID(2) };
    const { properties, body } = message(stored({}), delta, options);
    assert.equal(properties['deltaSrc'], revisionID(2));
    assert.equal(properties['history'], `${revisionID(2)},${revisionID(1)}`);
    assert.equal(Buffer.from(body ?? []).toString(), '{}');
  });

  it('is followed by none where a norev says so', () => {
    const asked = { sequence: 5, revisionID: revisionID(2) };
    assert.deepEqual(norevMessage('d', asked, undefined, { status: 404, reason: 'not found' }), {
      properties: { Profile: 'norev', id: 'd', rev: revisionID(2), sequence: '5', error: '404', reason: 'not found' },
    });
  });

  it('shows a revision as a descendant of the parent it was accepted on, whatever was pruned', () => {
    const parent = revisionID(1, 'f');
    const { properties } = revMessage(stored({ revisionID: revisionID(5), history: revisionID(4) }), {
      ...options,
      known: [parent],
      noConflicts: true,
    });
    const history = properties['history']?.split(',') ?? [];
    assert.equal(history.length, 4);
    assert.equal(history.at(-1), parent);
    const read = readHeader(sentRevision(incoming({ id: 'd', rev: revisionID(5), history: history.join(',') })), known);
    assert.deepEqual(read.history, history);
  });

  it('is read back as it was written', () => {
    const document = stored({ body: '{"a":[1.0,9007199254740993,-0.0]}', deleted: true });
    const { properties, body } = revMessage(document, options);
    const read = readHeader(sentRevision(incoming(properties, body)), known);
    assert.deepEqual(read, {
      id: 'd',
      revisionID: document.revisionID,
      history: document.history.split(','),
      deleted: true,
    });
    assert.equal(readBody(read, Buffer.from(body ?? []).toString()).text, document.body);
  });
});
