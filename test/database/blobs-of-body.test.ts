import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobReferences } from '../../src/database/index.js';

const A = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';
const B = 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=';
const blob = (digest: string, more = ''): string => `{"@type":"blob","digest":"${digest}"${more}}`;
const digestsOf = (body: string): string[] => blobReferences(body).map(({ digest }) => digest);

test('blobs are found at any depth, with what the body says of them', () => {
  const told = ',"length":22,"content_type":"image/jpeg","encoding":"gzip","x":{"y":1}';
  assert.deepEqual(blobReferences(`{"a":[1,{"b":[${blob(A, told)}]}],"photo":${blob(B)}}`), [
    { digest: A, length: 22, contentType: 'image/jpeg', encoding: 'gzip' },
    { digest: B },
  ]);
});

test('each content is named once, but for lengths that differ', () => {
  const body = `{"a":${blob(A, ',"length":1')},"b":${blob(A, ',"length":1')},"c":${blob(A, ',"length":2')}}`;
  assert.deepEqual(
    blobReferences(body).map(({ length }) => length),
    [1, 2],
  );
});

test('what is inside a blob is not searched', () => {
  assert.deepEqual(digestsOf(`{"a":${blob(A, `,"inner":${blob(B)}`)}}`), [A]);
});

test('what is no blob is none', () => {
  const none = [
    '{}',
    `{"digest":"${A}"}`,
    `{"a":{"@type":"Blob","digest":"${A}"}}`,
    `{"a":{"@type":["blob"],"digest":"${A}"}}`,
    `{"a":{"@type":"blob"}}`,
    `{"a":{"@type":"blob","digest":{"x":"${A}"}}}`,
    `{"a":"{\\"@type\\":\\"blob\\",\\"digest\\":\\"${A}\\"}"}`,
    ...['sha1-', 'md5-abc', A.slice(0, -1), `${A}=`, A.replace('Y=', 'Z='), ` ${A}`].map((bad) => `{"a":${blob(bad)}}`),
  ];
  for (const body of none) assert.deepEqual(digestsOf(body), [], body);
  assert.deepEqual(digestsOf(`{"a":${blob('bad', `,"inner":${blob(B)}`)}}`), [B], 'so its children are searched');
});

test('keys and digests may be written with escapes', () => {
  assert.deepEqual(digestsOf(`{"a":{"\\u0040type":"\\u0062lob","\\u0064igest":"${A.replaceAll('/', '\\/')}"}}`), [A]);
});

test('lengths that are none are left out', () => {
  for (const length of ['-1', '1.5', '"22"', 'null', '9007199254740993'])
    assert.deepEqual(blobReferences(`{"a":${blob(A, `,"length":${length}`)}}`)[0]?.length, undefined, length);
  assert.equal(blobReferences(`{"a":${blob(A, ',"length":0')}}`)[0]?.length, 0);
  assert.equal(blobReferences(`{"a":${blob(A, ',"length":22.0')}}`)[0]?.length, 22);
});

test('attachments at the top count, others do not, and they are no blobs whatever their type', () => {
  const entry = (digest: string): string => `{"digest":"${digest}","length":5,"stub":true,"revpos":1}`;
  assert.deepEqual(blobReferences(`{"_attachments":{"a.txt":${entry(A)},"bad":{"digest":5},"worse":7}}`), [
    { digest: A, length: 5 },
  ]);
  assert.deepEqual(digestsOf(`{"x":{"_attachments":{"a.txt":${entry(A)}}}}`), []);
  assert.deepEqual(digestsOf(`{"_attachments":[${entry(A)}]}`), []);
  assert.deepEqual(digestsOf(`{"photo":${blob(B)},"_attachments":{"blob_/photo":${entry(B)},"c":${entry(A)}}}`), [
    B,
    B,
    A,
  ]);
});
