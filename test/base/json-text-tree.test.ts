import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonTreeText, readJsonTree } from '../../src/base/index.js';

test('a text is the same after reading and printing, but for white space and needless escapes', () => {
  const same = [
    '{"a":1,"b":1.0,"c":-0,"d":1e2,"e":18446744073709551615,"f":123456789012345678901234567890,"g":0.10}',
    '{"b":[1,[],{}],"a":{"":null,"__proto__":true,"constructor":false}}',
    '{"ü":"\\u0000\\n\\"\\\\ 😀"}',
    '[]',
    '"x"',
  ];
  for (const text of same) assert.equal(jsonTreeText(readJsonTree(text)), text);
  assert.equal(jsonTreeText(readJsonTree(' { "a" : [ 1 , 2 ] , "\\u0062" : "\\/\\u00e9" } ')), '{"a":[1,2],"b":"/é"}');
});

test('what is no JSON, or could not be printed again, is refused', () => {
  for (const text of ['', '{', '{"a":01}', '{"a":1}x', '"\\ud800"', '["\ud800"]'])
    assert.throws(() => readJsonTree(text), { code: 'DOCUMENT_BODY_INVALID' }, text);
});
