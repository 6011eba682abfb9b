/** Vectors made by hand from specification 8.3. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkBody, MAX_DOCUMENT_DEPTH } from '../../src/base/index.js';
import {
  listedDigests,
  withLegacyAttachments,
  withoutLegacyAttachments,
} from '../../src/replicator/legacy-attachments.js';

const A = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';
const B = 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=';
const PHOTO = `{"@type":"blob","content_type":"image/jpeg","digest":"${A}","length":22}`;
const STUB = `{"content_type":"image/jpeg","digest":"${A}","length":22,"stub":true,"revpos":3}`;
const FILE = `{"content_type":"text/plain","digest":"${B}","length":5,"revpos":1,"stub":true}`;

describe('a body for a server', () => {
  const cases: readonly [what: string, body: string, expected: string][] = [
    [
      'keeps its blob and repeats it',
      `{"photo":${PHOTO}}`,
      `{"photo":${PHOTO},"_attachments":{"blob_/photo":${STUB}}}`,
    ],
    [
      'names a blob by its JSON pointer, once for each place',
      `{"list":[1,{"pic":${PHOTO}}],"a/b":{"m~n":${PHOTO}},"":[${PHOTO}]}`,
      `{"list":[1,{"pic":${PHOTO}}],"a/b":{"m~n":${PHOTO}},"":[${PHOTO}],` +
        `"_attachments":{"blob_/list/1/pic":${STUB},"blob_/a~1b/m~0n":${STUB},"blob_//0":${STUB}}}`,
    ],
    [
      'takes over the other properties of a blob, but no old stub',
      `{"p":{"digest":"${A}","@type":"blob","stub":false,"revpos":1,"more":{"x":1.0}}}`,
      `{"p":{"digest":"${A}","@type":"blob","stub":false,"revpos":1,"more":{"x":1.0}},` +
        `"_attachments":{"blob_/p":{"digest":"${A}","stub":true,"revpos":3,"more":{"x":1.0}}}}`,
    ],
    [
      'keeps attachments that are no blobs, and drops old repetitions',
      `{"_attachments":{"blob_/gone":${STUB},"a.txt":${FILE}},"photo":${PHOTO}}`,
      `{"photo":${PHOTO},"_attachments":{"a.txt":${FILE},"blob_/photo":${STUB}}}`,
    ],
    ['loses attachments of which none is left', `{"_attachments":{"blob_/gone":${STUB}},"a":1}`, '{"a":1}'],
    [
      'has the very numbers it had',
      `{"n":[1.0,1,12345678901234567890,-0.0,1e2],"p":${PHOTO}}`,
      `{"n":[1.0,1,12345678901234567890,-0.0,1e2],"p":${PHOTO},"_attachments":{"blob_/p":${STUB}}}`,
    ],
    ['is as it was if it has no blob', '{ "a" : 1.0 }', '{ "a" : 1.0 }'],
  ];
  for (const [what, body, expected] of cases) {
    it(what, () => {
      checkBody(body.replace('"":', '"x":'), { maxDepth: MAX_DOCUMENT_DEPTH });
      assert.equal(withLegacyAttachments(body, 3), expected);
    });
  }
});

describe('a body from a server', () => {
  const cases: readonly [what: string, body: string, expected: string][] = [
    [
      'loses what repeats its blobs, and is as it came otherwise',
      `{ "photo": ${PHOTO}, "n": 1.0,"_attachments":{"blob_/photo":${STUB},"blob_1":${STUB}} }`,
      `{ "photo": ${PHOTO}, "n": 1.0}`,
    ],
    [
      'loses everything else that is reserved',
      `{"_id":"x","a":{"_id":1},"_rev":"1-a","_x":${PHOTO}}`,
      '{"a":{"_id":1}}',
    ],
    [
      'keeps attachments that are no blobs, and a repetition of which the blob is gone',
      `{"_attachments":{"a.txt":${FILE},"blob_/photo":${STUB},"blob_/gone":${STUB},"blob_2":${FILE}},"_id":"x","photo":${PHOTO},"n":1.0}`,
      `{"photo":${PHOTO},"n":1.0,"_attachments":{"a.txt":${FILE},"blob_/gone":${STUB}}}`,
    ],
    [
      'has the content that was changed on the server',
      `{"l":[0,{"@type":"blob","content_type":"image/jpeg","digest":"${A}","length":22,"mine":1.0}],` +
        `"_attachments":{"blob_/l/1":{"digest":"${B}","length":5,"content_type":"text/plain","revpos":4,"stub":true}}}`,
      `{"l":[0,{"@type":"blob","content_type":"text/plain","digest":"${B}","length":5,"mine":1.0}]}`,
    ],
    [
      'forgets what the server no longer says of a changed content',
      `{"p~/":${PHOTO},"_attachments":{"blob_/p~0~1":{"digest":"${B}","stub":true}}}`,
      `{"p~/":{"@type":"blob","digest":"${B}"}}`,
    ],
    [
      'ignores an entry without a readable digest',
      `{"p":${PHOTO},"_attachments":{"blob_/p":{"digest":"x"}}}`,
      `{"p":${PHOTO}}`,
    ],
    ['loses attachments that are no object', `{"a":1,"_attachments":[${FILE}]}`, '{"a":1}'],
    ['is as it was if nothing is reserved', '{ "a" : 1.0 }', '{ "a" : 1.0 }'],
  ];
  for (const [what, body, expected] of cases) {
    it(what, () => {
      checkBody(body, { maxDepth: MAX_DOCUMENT_DEPTH });
      assert.equal(withoutLegacyAttachments(body), expected);
    });
  }

  it('is the body that was sent, when it comes back', () => {
    const body = `{"photo":${PHOTO},"list":[{"x":${PHOTO}},2.0]}`;
    assert.equal(withoutLegacyAttachments(withLegacyAttachments(body, 7)), body);
  });

  it('lists what the server has', () => {
    assert.equal(listedDigests(`{"photo":${PHOTO}}`), undefined);
    assert.deepEqual(listedDigests('{"_attachments":{}}'), new Set());
    assert.deepEqual(listedDigests(`{"_attachments":{"a":${FILE},"b":${STUB},"c":1}}`), new Set([A, B]));
  });
});
