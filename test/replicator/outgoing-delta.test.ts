import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyDelta } from '../../src/delta/index.js';
import { withLegacyAttachments } from '../../src/replicator/legacy-attachments.js';
import { deltaBody, wholeBody } from '../../src/replicator/outgoing-delta.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { revisionID } from '../support/hostile.js';

const [R1, R2, R3] = [revisionID(1), revisionID(2), revisionID(3)];
const DIGEST = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';

/** A body of exactly `bytes` bytes. */
function bodyOf(bytes: number, value: number, letter = 'x'): string {
  const frame = `{"n":${value},"text":""}`.length;
  const text = letter.repeat((bytes - frame) / Buffer.byteLength(letter));
  const body = `{"n":${value},"text":"${text}"}`;
  assert.equal(Buffer.byteLength(body), bytes);
  return body;
}

function stored(
  body: string,
  bases: readonly (readonly [string, string])[],
  more: Partial<StoredDocument> = {},
): StoredDocument {
  return {
    id: 'd',
    sequence: 7,
    revisionID: R3,
    deleted: false,
    body,
    hasBlobs: false,
    history: `${R2},${R1}`,
    conflicts: null,
    remotes: null,
    bases: bases.length === 0 ? null : JSON.stringify(bases.map(([id, text]) => ({ revisionID: id, body: text }))),
    expiresAt: null,
    ...more,
  };
}

describe('an outgoing delta', () => {
  it('leads from the first known revision whose body is here to the new body', () => {
    const document = stored(bodyOf(300, 3), [
      [R2, bodyOf(300, 2)],
      [R1, bodyOf(300, 1)],
    ]);
    assert.deepEqual(deltaBody(document, [R2, R1], true), { text: '{"n":3}', deltaSrc: R2 });
    assert.deepEqual(deltaBody(document, [revisionID(2, 'f'), R1], true), { text: '{"n":3}', deltaSrc: R1 });
    assert.equal(deltaBody(document, [revisionID(2, 'f')], true), undefined);
    assert.equal(deltaBody(document, [], true), undefined);
    assert.deepEqual(wholeBody(document, true), { text: document.body, deltaSrc: undefined });
  });

  it('is made for bodies from 200 bytes on, whatever their characters', () => {
    const make = (bytes: number, letter?: string) =>
      deltaBody(
        stored(bodyOf(bytes, 2, letter), [[R2, bodyOf(letter === undefined ? 300 : 301, 1, letter)]]),
        [R2],
        true,
      );
    assert.equal(make(199), undefined);
    assert.notEqual(make(200), undefined);
    assert.equal(make(199, 'é'), undefined);
    assert.notEqual(make(201, 'é'), undefined); // of 110 characters
  });

  it('is not made where it is no shorter than the body, nor for or from a tombstone', () => {
    const base = JSON.stringify({ text: 'a'.repeat(250) });
    const other = JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, index])));
    assert.equal(deltaBody(stored(other, [[R2, base]]), [R2], true), undefined);
    const document = stored(bodyOf(300, 3), [[R2, bodyOf(300, 2)]], { deleted: true });
    assert.equal(deltaBody(document, [R2], true), undefined);
  });

  it('of nothing is the shortest one', () => {
    assert.deepEqual(deltaBody(stored(bodyOf(300, 2), [[R2, bodyOf(300, 2)]]), [R2], true), {
      text: '{}',
      deltaSrc: R2,
    });
  });

  it('is made between bodies with attachments where the receiver stores them so', () => {
    const withBlob = (value: number): string =>
      `{"n":${value},"photo":{"@type":"blob","digest":"${DIGEST}","length":22,"content_type":"text/plain"},"text":"${'x'.repeat(200)}"}`;
    const document = stored(withBlob(3), [[R2, withBlob(2)]], { hasBlobs: true });
    const delta = deltaBody(document, [R2], false);
    assert.equal(delta?.deltaSrc, R2);
    assert.match(delta.text, /"_attachments"/);
    const applied = applyDelta(withLegacyAttachments(withBlob(2), 2), delta.text);
    assert.deepEqual(JSON.parse(applied), JSON.parse(withLegacyAttachments(withBlob(3), 3)));
    assert.deepEqual(deltaBody(document, [R2], true), { text: '{"n":3}', deltaSrc: R2 });
    assert.match(wholeBody(document, false).text, /"revpos":3/);
    assert.equal(wholeBody(document, true).text, document.body);
  });

  it('is not looked for among more revisions than a document can have', () => {
    const document = stored(bodyOf(300, 3), [[R2, bodyOf(300, 2)]]);
    const many = Array.from({ length: 100_000 }, () => R1);
    assert.equal(deltaBody(document, [...many, R2], true), undefined);
  });
});
