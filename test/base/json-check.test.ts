import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_DOCUMENT_DEPTH, checkBody, withoutReservedKeys } from '../../src/base/index.js';

const check = (text: string) => checkBody(text, { maxDepth: MAX_DOCUMENT_DEPTH });

const REFUSED: readonly (readonly [text: string, reason: string])[] = [
  ['', 'the body is not an object at position 0'],
  ['null', 'the body is not an object at position 0'],
  [' [1]', 'the body is not an object at position 1'],
  ['{"a":', 'the text ends too early at position 5'],
  ['{"a":1}x', 'unexpected "x" at position 7'],
  ['{"a":1}{}', 'unexpected "{" at position 7'],
  ['{"a":inf}', 'unexpected "i" at position 5'],
  ['{"a":-inf}', 'unexpected "i" at position 6'],
  ['{"a":1e400}', 'a number beyond the range of a double at position 5'],
  [`{"a":[${'1'.repeat(310)}]}`, 'a number beyond the range of a double at position 6'],
  ['{"a":"\\ud800"}', 'half of a surrogate pair at position 6'],
  ['{"a":"\\ud800\\u0041"}', 'half of a surrogate pair at position 6'],
  ['{"a":"\\udc00\\ud800"}', 'half of a surrogate pair at position 6'],
  ['{"a":"\\udc00\\udc00"}', 'half of a surrogate pair at position 6'],
  ['{"a":"\udc00\udc00"}', 'half of a surrogate pair at position 6'],
  ['{"a":"x\ud800"}', 'half of a surrogate pair at position 7'],
  ['{"a":"\udc00"}', 'half of a surrogate pair at position 6'],
  ['{"\\uDFFF":1}', 'half of a surrogate pair at position 2'],
  ['{"a":1,"b":2,"a":3}', 'the key "a" is repeated at position 13'],
  ['{"a":1,"\\u0061":3}', 'the key "a" is repeated at position 7'],
  ['{"x":[{"k":{},"k":0}]}', 'the key "k" is repeated at position 14'],
  ['{"":1}', 'an empty key at position 1'],
  ['{"a":{"":1}}', 'an empty key at position 6'],
  ['{"a":01}', 'unexpected "1" at position 6'],
  ["{'a':1}", 'unexpected "\'" at position 1'],
  ['{"a":1,}', 'unexpected "}" at position 7'],
  ['{"a":[1,]}', 'unexpected "]" at position 8'],
  ['{"a":"\u0001"}', 'an unescaped control character in a string at position 6'],
  [`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'more than 100 objects and arrays inside each other at position 104'],
  ['{"a":{"b":'.repeat(100_000), 'more than 100 objects and arrays inside each other at position 500'],
];

for (const [text, reason] of REFUSED) {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  test(`refuses ${JSON.stringify(shown)} and says why`, () => {
    assert.throws(() => check(text), { code: 'DOCUMENT_BODY_INVALID', message: `invalid JSON: ${reason}` });
  });
}

test('refuses a key that is repeated among very many, without comparing each with each', () => {
  const keys = Array.from({ length: 200_000 }, (_, index) => `"k${index}":0`).join(',');
  check(`{${keys}}`);
  assert.throws(() => check(`{${keys},"k3":1}`), /the key "k3" is repeated/);
  assert.throws(() => check(`{${keys},"k199999":1}`), /the key "k199999" is repeated/);
});

test('takes whatever other documents may hold', () => {
  for (const text of [
    '{}',
    ' {\n} ',
    '{"a":{},"b":[],"c":null,"d":false,"e":true,"f":-0.5e-3}',
    '{"a":1e308,"b":18446744073709551616,"c":1e-400}',
    '{"a":"\\ud83d\\ude00 😀 \\u0000 \u007f\u2028"}',
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}',
    `{"a":${'['.repeat(99)}${']'.repeat(99)}}`,
  ]) {
    assert.deepEqual(check(text), { reservedKeys: false, hasBlobs: false }, text);
  }
});

test('notices reserved keys at the top level only, escaped ones too', () => {
  assert.equal(check('{"a":1,"_id":"x"}').reservedKeys, true);
  assert.equal(check('{"\\u005fid":"x"}').reservedKeys, true);
  assert.equal(check('{"a":{"_id":"x"},"b_":[{"_c":1}]}').reservedKeys, false);
});

test('notices blobs at any depth, escaped ones too', () => {
  assert.equal(check('{"photo":{"digest":"sha1-x","@type":"blob"}}').hasBlobs, true);
  assert.equal(check('{"l":[0,[{"x":{"@type" : "blob"}}]]}').hasBlobs, true);
  assert.equal(check('{"p":{"\\u0040type":"bl\\u006fb"}}').hasBlobs, true);
  assert.equal(
    check('{"p":{"@type":"blobs"},"q":"@type","r":{"type":"blob"},"s":{"@type":{"blob":1}}}').hasBlobs,
    false,
  );
});

test('removes reserved members and leaves every other character', () => {
  for (const [text, expected] of [
    ['{"_id":"x","a":1}', '{"a":1}'],
    ['{"a":1,"_id":"x"}', '{"a":1}'],
    [' { "a" : 1.0 , "_rev" : {"x":["}",{"y":"\\"]"}]} ,\n "b" : 1e2 } ', ' { "a" : 1.0 ,\n "b" : 1e2 } '],
    ['{"\\u005fid":1,"_b":[],"c":"_d"}', '{"c":"_d"}'],
    ['{ "_a":1, "_b":2 }', '{}'],
    ['{"a":{"_id":1}}', '{"a":{"_id":1}}'],
    [' { } ', ' { } '],
  ] as const) {
    check(text);
    assert.equal(withoutReservedKeys(text), expected);
    assert.equal(check(expected).reservedKeys, false);
  }
});

test('refuses to remove members of what is not an object', () => {
  for (const text of ['[]', '', '{"a":1', '{"a"', '{"a":[1}', '{"a":"']) {
    assert.throws(() => withoutReservedKeys(text), { code: 'DOCUMENT_BODY_INVALID' }, text);
  }
});
