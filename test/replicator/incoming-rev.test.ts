import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/base/index.js';
import { MessageProperties, type IncomingRequest } from '../../src/blip/index.js';
import { readBody, readHeader, readText, sentRevision, sequenceOf } from '../../src/replicator/incoming-rev.js';

const DIGEST = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';
const live = { deleted: false };

function incoming(properties: Record<string, string>, body: string | Uint8Array = '{}'): IncomingRequest {
  return {
    number: 1,
    properties: new MessageProperties(Object.entries(properties).flat()),
    body: typeof body === 'string' ? utf8(body) : body,
    noReply: false,
    urgent: false,
  };
}

/** `levels` objects inside each other. */
function deep(levels: number): string {
  return '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1);
}

describe('an incoming rev message', () => {
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
    assert.equal(sentRevision(incoming({ deltaSrc: '1-aa' })).deltaSrc, '1-aa');
    assert.equal(sentRevision(incoming({ deltaSrc: '' })).deltaSrc, undefined);
    assert.equal(sentRevision(incoming({})).deltaSrc, undefined);
  });

  it('has a header that is checked strictly', () => {
    const read = readHeader(
      sentRevision(incoming({ id: 'd', rev: '02-bb', history: '1-aa', deleted: '1' })),
      () => false,
    );
    assert.deepEqual(read, { id: 'd', revisionID: '2-bb', history: ['1-aa'], deleted: true });
    for (const [properties, code] of [
      [{ id: '_d', rev: '1-aa' }, 'DOCUMENT_ID_INVALID'],
      [{ id: 'd', rev: '1-xx' }, 'REVISION_ID_INVALID'],
      [{ id: 'd', rev: '4-aa', history: '2-bb' }, 'REVISION_HISTORY_INVALID'],
    ] as const) {
      assert.throws(() => readHeader(sentRevision(incoming(properties)), () => false), { code });
    }
  });

  it('is refused where it is too large to be edited here, and to be passed on, or no text', () => {
    const body = `{"a":"${'x'.repeat(21 * 1024 * 1024)}"}`;
    assert.throws(() => readText(sentRevision(incoming({ id: 'd' }, body))), { code: 'DOCUMENT_TOO_LARGE' });
    assert.throws(() => readText(sentRevision(incoming({ id: 'd' }, Uint8Array.of(0xff)))), {
      code: 'DOCUMENT_BODY_INVALID',
    });
  });
});

describe('a received body', () => {
  it('is kept as it came', () => {
    const text = '{"a": [1.0, 9007199254740993]}';
    assert.deepEqual(readBody(live, text), { text, blobs: [], listed: undefined, isRemoved: false });
  });

  it('may be missing in a tombstone only', () => {
    assert.equal(readBody({ deleted: true }, '').text, '{}');
    assert.throws(() => readBody(live, ''), { code: 'DOCUMENT_BODY_INVALID' });
  });

  it('may be as deep as a core makes it, though no deeper than one takes it', () => {
    assert.equal(readBody(live, deep(149)).text, deep(149));
    assert.throws(() => readBody(live, deep(150)), { code: 'DOCUMENT_BODY_INVALID' });
  });

  it('tells of its blobs', () => {
    const { blobs } = readBody(live, `{"a":[{"@type":"blob","digest":"${DIGEST}","length":22}]}`);
    assert.deepEqual(blobs, [{ digest: DIGEST, length: 22 }]);
    assert.deepEqual(readBody(live, '{"a":[{"@type":"blob","digest":"sha1-x"}]}').blobs, []);
  });

  it('loses what only servers write into it', () => {
    const blob = `{"@type":"blob","digest":"${DIGEST}","length":22}`;
    const listed = `{"blob_/a":{"digest":"${DIGEST}","length":22,"revpos":1,"stub":true}}`;
    const body = readBody(live, `{"_rev":"1-aa","a":${blob},"_attachments":${listed}}`);
    assert.equal(body.text, `{"a":${blob}}`);
    assert.deepEqual([...(body.listed ?? [])], [DIGEST]);
    assert.equal(body.blobs.length, 1);
    assert.equal(readBody(live, `{"_rev":"1-aa","a":${blob}}`).listed, undefined);
  });

  it('may say that the document is not for this user any more', () => {
    for (const [text, isRemoved] of [
      ['{"_removed":true}', true],
      ['{"_removed":false}', false],
      ['{"_removed":"true"}', false],
      ['{"removed":true}', false],
      ['{"a":{"_removed":true}}', false],
    ] as const) {
      assert.equal(readBody(live, text).isRemoved, isRemoved, text);
    }
  });
});
