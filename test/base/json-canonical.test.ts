import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canonicalJson } from '../../src/base/index.js';
import { sharedData, skipWithout } from '../support/shared-data.js';

const DIGESTS = 'captures/revision-digests.json';

for (const [title, text] of [
  ['an array', '[1]'],
  ['a bare value', 'null'],
  ['a truncated text', '{"a":'],
  ['a repeated key', '{"a":1,"b":2,"\\u0061":3}'],
  ['half of a surrogate pair', '{"a":"\\ud800"}'],
  ['half of a surrogate pair in a key', '{"\\udc00":1}'],
  ['a number beyond doubles', '{"a":1e999}'],
] as const) {
  test(`refuses ${title}`, () => {
    assert.throws(() => canonicalJson(text), { code: 'DOCUMENT_BODY_INVALID', message: /^invalid JSON: / });
  });
}

test('keeps 1 and 1.0 apart and integers of 64 bits exact', () => {
  const text =
    '{"a":1,"b":1.0,"c":-0,"d":-0.0,"e":1e2,"f":18446744073709551615,"g":18446744073709551616,"h":-9223372036854775809}';
  assert.equal(
    canonicalJson(text),
    '{"a":1,"b":1.0,"c":0,"d":-0.0,"e":100.0,"f":18446744073709551615,"g":1.8446744073709552e+19,"h":-9.223372036854776e+18}',
  );
});

test('takes out white space and orders keys by UTF-8 bytes at every depth', () => {
  assert.equal(
    canonicalJson(' { "\\ud83d\\ude00" : [ { "b" : [ ] , "a" : { } } ] ,\n"\uffee":true,\t"__proto__":null}\r\n'),
    '{"__proto__":null,"\uffee":true,"😀":[{"a":{},"b":[]}]}',
  );
});

test('reaches the canonical texts of a real core', skipWithout(DIGESTS), () => {
  const file = JSON.parse(readFileSync(sharedData(DIGESTS) ?? '', 'utf8')) as {
    vectors: { input: string; canonical: string }[];
  };
  assert.ok(file.vectors.length > 20);
  for (const { input, canonical } of file.vectors) {
    assert.equal(canonicalJson(input), canonical);
    assert.equal(canonicalJson(canonical), canonical);
  }
});
