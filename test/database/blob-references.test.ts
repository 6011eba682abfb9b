/** Digests are found however a text spells them: what is not found is deleted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { blobDigestsIn } from '../../src/database/blob-references.js';

function digestOf(text: string): string {
  return `sha1-${createHash('sha1').update(text).digest('base64')}`;
}

/** JSON text of a string with any of its characters escaped, as JSON allows. */
function escaped(text: string, random: RandomSource): string {
  const characters = [...text].map((character) => {
    const choice = Math.floor(random.next() * 6);
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    if (choice === 0) return `\\u${code}`;
    if (choice === 1) return `\\u${code.toUpperCase()}`;
    return character === '/' && choice < 4 ? '\\/' : JSON.stringify(character).slice(1, -1);
  });
  return `"${characters.join('')}"`;
}

test('the digests in bodies are found, wherever they stand', () => {
  const [a, b] = [digestOf('a'), digestOf('b')];
  const body = { photo: { '@type': 'blob', digest: a, length: 1 }, list: [{ deep: { '@type': 'blob', digest: b } }] };
  assert.deepEqual(blobDigestsIn(JSON.stringify(body)), [a, b]);
  assert.deepEqual(blobDigestsIn(JSON.stringify(body, undefined, 2)), [a, b]);
  assert.deepEqual(blobDigestsIn(JSON.stringify({ _attachments: { x: { digest: a, stub: true } } })), [a]);
  assert.deepEqual(blobDigestsIn(JSON.stringify([{ body: JSON.stringify(body) }])), [a, b]);
  for (const none of ['', '{}', '{"a":"sha1-"}', '{"a":"sha1-abc="}', '{"a":"\\u0041\\\\"}']) {
    assert.deepEqual(blobDigestsIn(none), []);
  }
});

test('however a peer escapes a string, and within our own texts of texts, its digest is found', () => {
  const seed = 1_024;
  const random = seededRandom(seed);
  for (let round = 0; round < 2_000; round++) {
    const digest = digestOf(`content ${round}`);
    let text = `{"before":${escaped('c:\\u0031', random)},"digest":${escaped(digest, random)}}`;
    assert.equal((JSON.parse(text) as { digest: string }).digest, digest);
    for (let depth = Math.floor(random.next() * 3); depth > 0; depth--) text = JSON.stringify({ body: text });
    assert.ok(blobDigestsIn(text).includes(digest), `seed ${seed}, round ${round}: ${text}`);
  }
});
