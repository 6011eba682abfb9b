import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canonicalJson, seededRandom } from '../../src/base/index.js';
import {
  compareRevisionIDs,
  createRevisionID,
  formatRevisionID,
  generationOf,
  isPlausibleRevisionID,
  normalizeRevisionID,
  parseRevisionID,
} from '../../src/revision/index.js';
import { sharedData, skipWithout } from '../support/shared-data.js';
import { randomInteger, randomRevisionID } from './random-branch.js';

const DIGESTS = 'captures/revision-digests.json';
const FRED = '1-d1dc992e156a4424081ece7390d7533d57a1d403';

// What a real core answers with HTTP/400 in a `rev` (ground truth 3.1).
for (const text of [
  '1-abc',
  '1-ABCD',
  '1-abcx',
  '0-aa',
  '000-aa',
  '1-',
  '-aa',
  '1',
  '',
  `1-${'a'.repeat(120)}`,
  `1-${'aa'.repeat(42)}`,
  `${'0'.repeat(500)}1-aa`,
  '4294967296-aa',
  '1@AAAAAAAAAAAAAAAAAAAAAA',
  '1-aa,2-bb',
  ' 1-aa',
  '1-aa\n',
  '+1-aa',
  '1.0-aa',
  '1e3-aa',
]) {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  test(`refuses ${JSON.stringify(shown)} as a revision ID`, () => {
    assert.equal(parseRevisionID(text), undefined);
    assert.throws(() => normalizeRevisionID(text), { code: 'REVISION_ID_INVALID' });
    assert.throws(() => createRevisionID(text, false, '{}'), { code: 'REVISION_ID_INVALID' });
  });
}

test('names the refused revision ID without repeating all of a long one', () => {
  assert.throws(() => normalizeRevisionID('1-xy'), { message: '"1-xy" is not a revision ID' });
  assert.throws(
    () => normalizeRevisionID('x'.repeat(100_000)),
    (error: Error) => error.message.length < 150,
  );
});

test('takes digests of 1 to 41 bytes and generations up to 2^32 - 1', () => {
  for (const digest of ['aa', '00', 'ab'.repeat(16), 'ab'.repeat(20), 'ab'.repeat(38), 'ab'.repeat(41)]) {
    assert.deepEqual(parseRevisionID(`1-${digest}`), { generation: 1, digest });
  }
  assert.deepEqual(parseRevisionID('4294967295-aa'), { generation: 4294967295, digest: 'aa' });
});

test('drops zeros in front of the generation', () => {
  assert.deepEqual(parseRevisionID('01-aa'), { generation: 1, digest: 'aa' });
  assert.equal(normalizeRevisionID('0012-aa'), '12-aa');
});

test('formats what it parsed', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 1000; round++) {
    const text = randomRevisionID(random, 1 + randomInteger(random, 2 ** 31));
    const id = parseRevisionID(text);
    assert.equal(id && formatRevisionID(id), text, 'seed 3');
  }
});

test('checks the IDs of a list of changes only loosely', () => {
  for (const text of ['1-abc', '1-ABCD', '1-abcx', '0-aa', '1-', '-aa', `1-${'a'.repeat(120)}`, FRED]) {
    assert.ok(isPlausibleRevisionID(text), text);
  }
  for (const text of ['1', '', '1@AAAAAAAAAAAAAAAAAAAAAA']) assert.ok(!isPlausibleRevisionID(text), text);
});

test('tells the generation, and 0 of what has none', () => {
  assert.equal(generationOf(FRED), 1);
  assert.equal(generationOf('4294967295-aa'), 4294967295);
  assert.equal(generationOf('012-abc'), 12);
  for (const text of ['', '-aa', '0-aa', 'junk', '-5-aa']) assert.equal(generationOf(text), 0, text);
});

test('orders by generation as a number, then by the bytes of the digest', () => {
  const ordered = ['1-aa', '1-aaaa', '1-aaff', '1-ab', '2-00', '9-ff', '10-00', '10-0000', '100-00'];
  for (const [x, a] of ordered.entries()) {
    for (const [y, b] of ordered.entries()) {
      assert.equal(Math.sign(compareRevisionIDs(a, b)), Math.sign(x - y), `${a} and ${b}`);
    }
  }
  assert.equal(compareRevisionIDs('01-aa', '1-aa'), 0);
});

test('refuses to go beyond the last generation', () => {
  assert.throws(() => createRevisionID('4294967295-aa', false, '{}'), { code: 'REVISION_ID_INVALID' });
  assert.equal(generationOf(createRevisionID('4294967294-aa', false, '{}')), 4294967295);
});

test('makes the revision IDs of specification 5.2', () => {
  const first = createRevisionID(undefined, false, '{"name":"Fred"}');
  const second = createRevisionID(first, false, '{"age":5,"name":"Fred"}');
  const third = createRevisionID(second, true, '{}');
  assert.deepEqual(
    [first, second, third],
    [FRED, '2-e320b30b1468b44f9042de3001554760630fc64d', '3-941fc3290c43e7a6f6b9abe0357c2f394ffb690c'],
  );
});

test('hashes the body as UTF-8 and tells a deletion from an edit', () => {
  // SHA-1 of 00 00 7b2273223a22f09f9880227d
  assert.equal(createRevisionID(undefined, false, '{"s":"😀"}'), '1-96e7f3b81297ac9d3816c4de0178880bbbc6f882');
  assert.notEqual(createRevisionID(FRED, true, '{}'), createRevisionID(FRED, false, '{}'));
  assert.notEqual(createRevisionID(FRED, false, '{}'), createRevisionID('1-aa', false, '{}'));
});

test('makes the revision IDs that a real core made', skipWithout(DIGESTS), () => {
  const file = JSON.parse(readFileSync(sharedData(DIGESTS) ?? '', 'utf8')) as {
    vectors: { input: string; canonical: string; revisionID: string }[];
  };
  assert.ok(file.vectors.length > 20);
  for (const { input, canonical, revisionID } of file.vectors) {
    assert.equal(createRevisionID(undefined, false, canonical), revisionID, canonical);
    assert.equal(createRevisionID(undefined, false, canonicalJson(input)), revisionID, input);
  }
});
