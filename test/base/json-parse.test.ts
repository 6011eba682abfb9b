import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson, parseJsonObject, type JsonValue } from '../../src/base/index.js';

const REFUSED: readonly (readonly [text: string, reason: string])[] = [
  ['', 'the text ends too early at position 0'],
  ['   ', 'the text ends too early at position 3'],
  ['{"a":', 'the text ends too early at position 5'],
  ['{"a":1', 'the text ends too early at position 6'],
  ['{"a"}', 'unexpected "}" at position 4'],
  ['{a:1}', 'unexpected "a" at position 1'],
  ['{"a":1,}', 'unexpected "}" at position 7'],
  ['[1,]', 'unexpected "]" at position 3'],
  ['[1 2]', 'unexpected "2" at position 3'],
  ['[1}', 'unexpected "}" at position 2'],
  ['{"a":1]', 'unexpected "]" at position 6'],
  ['{} {}', 'unexpected "{" at position 3'],
  ['nul', 'unexpected "n" at position 0'],
  ['inf', 'unexpected "i" at position 0'],
  ['{"a":NaN}', 'unexpected "N" at position 5'],
  ['01', 'unexpected "1" at position 1'],
  ['+1', 'unexpected "+" at position 0'],
  ['.5', 'unexpected "." at position 0'],
  ['-', 'the text ends too early at position 1'],
  ['1.', 'the text ends too early at position 2'],
  ['1e', 'the text ends too early at position 2'],
  ['1e+x', 'unexpected "x" at position 3'],
  ['"abc', 'a string that is not closed at position 0'],
  ['"a\nb"', 'an unescaped control character in a string at position 2'],
  ['"\\x"', 'unexpected "x" at position 2'],
  ['"\\u12g4"', 'unexpected "g" at position 5'],
  ['"\\u12', 'the text ends too early at position 5'],
  ['"\\', 'the text ends too early at position 2'],
  ['\ufeff1', 'unexpected "\ufeff" at position 0'],
  ['1e400', 'a number beyond the range of a double at position 0'],
  ['[0, -1e309]', 'a number beyond the range of a double at position 4'],
  [`${'9'.repeat(400)}`, 'a number beyond the range of a double at position 0'],
  [`[${'9'.repeat(400)}.5]`, 'a number beyond the range of a double at position 1'],
];

for (const [text, reason] of REFUSED) {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  test(`refuses ${JSON.stringify(shown)} and names the position`, () => {
    assert.throws(() => parseJson(text), { code: 'DOCUMENT_BODY_INVALID', message: `invalid JSON: ${reason}` });
  });
}

test('refuses an object where the text holds another value', () => {
  for (const text of ['[]', 'null', '1', '"x"']) {
    assert.throws(() => parseJsonObject(text), { code: 'DOCUMENT_BODY_INVALID' });
  }
  assert.deepEqual(parseJsonObject('{"a":1}'), { a: 1 });
});

const NUMBERS: readonly (readonly [text: string, value: number | bigint])[] = [
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['-9007199254740991', Number.MIN_SAFE_INTEGER],
  ['9007199254740992', 9007199254740992n],
  ['9007199254740993', 9007199254740993n],
  ['-9007199254740993', -9007199254740993n],
  ['9223372036854775808', 9223372036854775808n],
  ['18446744073709551615', 18446744073709551615n],
  ['-9223372036854775808', -9223372036854775808n],
  ['18446744073709551616', 1.8446744073709552e19],
  ['-9223372036854775809', -9.223372036854776e18],
  ['100000000000000000000', 1e20],
  ['9007199254740993.0', 9007199254740992],
  ['9007199254740993e0', 9007199254740992],
  ['0.30000000000000004', 0.1 + 0.2],
  ['1e-400', 0],
  ['1E+300', 1e300],
  ['-0.0', -0],
  ['-0e5', -0],
  ['-0', 0],
  ['1.0', 1],
];

for (const [text, value] of NUMBERS) {
  test(`reads ${text} as ${typeof value} ${Object.is(value, -0) ? '-0' : String(value)}, alone and in company`, () => {
    assert.deepStrictEqual(parseJson(text), value);
    assert.deepStrictEqual(parseJson(` {"a" : [ ${text} ]} `), { a: [value] });
    // A neighbour that needs the exact reader changes nothing.
    assert.deepStrictEqual(parseJson(`[9007199254740993,${text}]`), [9007199254740993n, value]);
  });
}

for (const [name, neighbour] of [
  ['fast', '1'],
  ['exact', '9007199254740993'],
] as const) {
  test(`takes "__proto__" as an ordinary key (${name} way)`, () => {
    const [, object] = parseJson(`[${neighbour},{"__proto__":{"admin":true},"a":1}]`) as [
      unknown,
      Record<string, unknown>,
    ];
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
    assert.deepEqual(Object.keys(object), ['__proto__', 'a']);
    assert.equal(object['admin'], undefined);
    assert.equal(JSON.stringify(object), '{"__proto__":{"admin":true},"a":1}');
  });

  test(`reads a text nested 100,000 deep without exhausting the stack (${name} way)`, () => {
    const depth = 100_000;
    let value = parseJson(`${'['.repeat(depth)}${neighbour}${']'.repeat(depth)}`);
    for (let level = 0; level < depth; level++) value = (value as JsonValue[])[0] ?? null;
    assert.deepEqual(value, parseJson(neighbour));
    assert.throws(() => parseJson('['.repeat(depth) + neighbour), { code: 'DOCUMENT_BODY_INVALID' });
  });
}
