import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { test } from 'node:test';
import { HawserError } from '../../src/errors.js';
import {
  MAX_DOCUMENT_BYTES,
  MAX_DOCUMENT_DEPTH,
  compareUtf8,
  parseJson,
  writeBody,
  type JsonValue,
} from '../../src/base/index.js';

const LIMITS = { maxDepth: MAX_DOCUMENT_DEPTH, maxBytes: MAX_DOCUMENT_BYTES };
const write = (value: unknown): string => writeBody(value, LIMITS);

class Engine {
  rpm = 1200;
}

/** Arrays inside each other, the document around them counted. */
function nested(depth: number): object {
  let value: unknown = 1;
  for (let level = 1; level < depth; level++) value = [value];
  return { deep: value };
}

const cycle: { name: string; inner: { list: unknown[] } } = { name: 'x', inner: { list: [] } };
cycle.inner.list.push(1, cycle.inner);
const cyclicDocument: Record<string, unknown> = {};
cyclicDocument['self'] = cyclicDocument;

const REFUSED: readonly (readonly [title: string, value: unknown, code: string, message: string])[] = [
  ['a reserved property', { a: 1, _id: 'x' }, 'DOCUMENT_PROPERTY_RESERVED', 'a reserved property at /_id'],
  ['an empty key', { '': 1 }, 'DOCUMENT_KEY_EMPTY', 'an empty key at /'],
  ['an empty key inside', { engine: [{ '': 1 }] }, 'DOCUMENT_KEY_EMPTY', 'an empty key at /engine/0/'],
  ['a cycle', { a: cycle }, 'DOCUMENT_CYCLIC', 'one of the objects around it at /a/inner/list/1'],
  ['a document inside itself', cyclicDocument, 'DOCUMENT_CYCLIC', 'one of the objects around it at /self'],
  ['NaN', { engine: { rpm: Number.NaN } }, 'DOCUMENT_NUMBER_INVALID', 'the number NaN at /engine/rpm'],
  ['infinity', { a: [1, -Infinity] }, 'DOCUMENT_NUMBER_INVALID', 'the number -Infinity at /a/1'],
  ['an integer above uint64', { n: 2n ** 64n }, 'DOCUMENT_NUMBER_INVALID', 'an integer beyond 64 bits at /n'],
  ['an integer below int64', { n: -(2n ** 63n) - 1n }, 'DOCUMENT_NUMBER_INVALID', 'an integer beyond 64 bits at /n'],
  ['half a pair in a value', { s: 'a\ud800b' }, 'DOCUMENT_STRING_INVALID', 'half of a surrogate pair at /s'],
  ['half a pair at the end', { s: ['😀\udc00'] }, 'DOCUMENT_STRING_INVALID', 'half of a surrogate pair at /s/0'],
  [
    'half a pair in a key',
    { 'k\udfff': 1 },
    'DOCUMENT_STRING_INVALID',
    'a key with half of a surrogate pair at /k\ufffd',
  ],
  ['a function', { f: () => 1 }, 'DOCUMENT_VALUE_UNSUPPORTED', 'a function at /f'],
  ['a symbol', { s: Symbol('s') }, 'DOCUMENT_VALUE_UNSUPPORTED', 'a symbol at /s'],
  ['undefined in an array', { a: [1, undefined] }, 'DOCUMENT_VALUE_UNSUPPORTED', 'undefined at /a/1'],
  // eslint-disable-next-line no-sparse-arrays -- the hole is the point
  ['a hole in an array', { a: [1, , 2] }, 'DOCUMENT_VALUE_UNSUPPORTED', 'undefined at /a/1'],
  ['a Map', { m: new Map() }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an instance of Map at /m'],
  ['a Set', { m: { n: new Set() } }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an instance of Set at /m/n'],
  ['a class instance', { e: new Engine() }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an instance of Engine at /e'],
  ['bytes', { b: new Uint8Array(2) }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an instance of Uint8Array at /b'],
  ['a boxed number', { b: Object(1) }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an instance of Number at /b'],
  [
    'an object of a nameless class',
    { o: Object.create({ a: 1 }) },
    'DOCUMENT_VALUE_UNSUPPORTED',
    'an instance of Object at /o',
  ],
  ['an own toJSON', { o: { toJSON: () => 1 } }, 'DOCUMENT_VALUE_UNSUPPORTED', 'a function at /o/toJSON'],
  [
    'a class with toJSON',
    { u: new URL('http://localhost/') },
    'DOCUMENT_VALUE_UNSUPPORTED',
    'an instance of URL, whose toJSON is not called, at /u',
  ],
  ['an invalid Date', { at: new Date(Number.NaN) }, 'DOCUMENT_VALUE_UNSUPPORTED', 'an invalid Date at /at'],
  [
    'too deep a nesting',
    nested(101),
    'DOCUMENT_TOO_DEEP',
    `more than 100 objects and arrays inside each other at /deep${'/0'.repeat(99)}`,
  ],
  ['an escaped pointer', { 'a/b': { 'c~d': Number.NaN } }, 'DOCUMENT_NUMBER_INVALID', 'the number NaN at /a~1b/c~0d'],
];

for (const [title, value, code, message] of REFUSED) {
  test(`refuses ${title} and names the place`, () => {
    assert.throws(() => write(value), { code, message: `the document holds ${message}` });
  });
}

test('refuses what is not a plain object as a document', () => {
  for (const [value, name] of [
    [undefined, 'undefined'],
    [null, 'null'],
    [[], 'an array'],
    ['text', 'a string'],
    [1, 'a number'],
    [new Engine(), 'an instance of Engine'],
    [new Date(0), 'an instance of Date, whose toJSON is not called,'],
    [() => 1, 'a function'],
  ] as const) {
    assert.throws(() => write(value), {
      code: 'DOCUMENT_VALUE_UNSUPPORTED',
      message: `the body of a document must be a plain object, not ${name}`,
    });
  }
});

test('refuses a document of one byte too many, counted as UTF-8', () => {
  const document = { s: 'é'.repeat(50) };
  const bytes = Buffer.byteLength(JSON.stringify(document));
  assert.equal(writeBody(document, { ...LIMITS, maxBytes: bytes }), JSON.stringify(document));
  assert.throws(() => writeBody(document, { ...LIMITS, maxBytes: bytes - 1 }), {
    code: 'DOCUMENT_TOO_LARGE',
    message: `the document holds more than ${bytes - 1} bytes, noticed at the top level`,
  });
  assert.throws(() => writeBody({ a: { s: 'x'.repeat(1000) } }, { ...LIMITS, maxBytes: 100 }), {
    code: 'DOCUMENT_TOO_LARGE',
    message: 'the document holds more than 100 bytes, noticed at /a/s',
  });
});

test('takes any document that has exactly as many bytes as it may', () => {
  for (const value of [
    {},
    { a: 1 },
    { a: true, b: null },
    { a: [[1], [[2, false]], {}], b: 1.5 },
    { a: new Date(0), b: 5n },
  ]) {
    const text = write(value);
    assert.equal(writeBody(value, { ...LIMITS, maxBytes: text.length }), text);
    assert.throws(
      () => writeBody(value, { ...LIMITS, maxBytes: text.length - 1 }),
      { code: 'DOCUMENT_TOO_LARGE' },
      text,
    );
  }
});

test('gives up early on an object that is reached along ever more ways', () => {
  for (const leaf of [{}, { leaf: true }, { list: new Array<null>(10_000).fill(null) }]) {
    let value: unknown = leaf;
    for (let level = 0; level < 60; level++) value = { left: value, right: value };
    assert.throws(() => writeBody(value, { maxDepth: 100, maxBytes: 1_000_000 }), { code: 'DOCUMENT_TOO_LARGE' });
  }
});

test('turns what a getter throws into one error with its cause', () => {
  const failure = new Error('sensor gone');
  const value = {
    engine: {
      get rpm(): number {
        throw failure;
      },
    },
  };
  assert.throws(() => write(value), {
    code: 'DOCUMENT_VALUE_UNSUPPORTED',
    cause: failure,
    message: 'the document holds something that cannot be read at /engine',
  });
});

test('changes nothing of what it is given and forgets a failure', () => {
  const value = Object.freeze({ z: Object.freeze([3, 1, 2]), a: Object.freeze({ y: 1, b: 2 }) });
  assert.throws(() => write({ ...value, bad: Number.NaN }), HawserError);
  assert.equal(write(value), '{"a":{"b":2,"y":1},"z":[3,1,2]}');
  assert.deepEqual(Object.keys(value), ['z', 'a']);
});

test('writes an object twice that appears twice without a cycle', () => {
  const shared = { x: 1 };
  assert.equal(write({ a: shared, b: [shared, shared] }), '{"a":{"x":1},"b":[{"x":1},{"x":1}]}');
});

test('leaves out properties that are undefined, even reserved and nameless ones', () => {
  assert.equal(write({ a: undefined, b: 1, _id: undefined, '': undefined }), '{"b":1}');
  assert.equal(write({ a: { _under: 1 } }), '{"a":{"_under":1}}', 'reserved names are free inside');
});

test('writes a Date as its ISO text, whatever its toJSON says', () => {
  const date = new Date(Date.UTC(2024, 4, 1, 12, 34, 56, 789));
  assert.equal(write({ at: date }), '{"at":"2024-05-01T12:34:56.789Z"}');
  assert.equal(write({ at: Object.assign(new Date(0), { toJSON: () => 'no' }) }), '{"at":"1970-01-01T00:00:00.000Z"}');
});

test('takes objects without a prototype and of another context', () => {
  assert.equal(write(Object.assign(Object.create(null) as object, { a: 1 })), '{"a":1}');
  assert.equal(write(runInNewContext('({ a: [{ b: new Date(0) }] })')), '{"a":[{"b":"1970-01-01T00:00:00.000Z"}]}');
});

test('writes "__proto__" as an ordinary key, which is a reserved one at the top level', () => {
  const value = parseJson('{"inner":{"b":2,"__proto__":{"a":1}}}');
  assert.equal(write(value), '{"inner":{"__proto__":{"a":1},"b":2}}');
  assert.throws(() => write(parseJson('{"__proto__":1}')), { code: 'DOCUMENT_PROPERTY_RESERVED' });
});

const NUMBERS: readonly (readonly [value: number | bigint, text: string])[] = [
  [0, '0'],
  [-0, '-0.0'],
  [1, '1'],
  [-17, '-17'],
  [1.5, '1.5'],
  [0.1, '0.1'],
  [1e21, '1e+21'],
  [1e-7, '1e-07'],
  [1.5e-10, '1.5e-10'],
  [1e-5, '1e-05'],
  [1.25e-5, '1.25e-05'],
  [0.0001, '0.0001'],
  [0.00012345, '0.00012345'],
  [1e15, '1000000000000000'],
  [2 ** 53 - 1, '9007199254740991'],
  [2 ** 53, '9007199254740992.0'],
  [-(2 ** 53), '-9007199254740992.0'],
  [9999999999999998, '9999999999999998.0'],
  [1e16, '1e+16'],
  [12345678901234568, '1.2345678901234568e+16'],
  [1e20, '1e+20'],
  [123456789.125, '123456789.125'],
  [1.5e300, '1.5e+300'],
  [5e-324, '5e-324'],
  [Number.MAX_VALUE, '1.7976931348623157e+308'],
  [3.4028235e38, '3.4028235e+38'],
  [16777216.5, '16777216.5'],
  [0.3333333333333333, '0.3333333333333333'],
  [5n, '5'],
  [9007199254740993n, '9007199254740993'],
  [2n ** 64n - 1n, '18446744073709551615'],
  [-(2n ** 63n), '-9223372036854775808'],
];

test('writes numbers in the forms of a Couchbase Lite core', () => {
  for (const [value, text] of NUMBERS) assert.equal(write({ v: value }), `{"v":${text}}`);
});

test('escapes what must be escaped and nothing else', () => {
  assert.equal(write({ s: 'a\u007fb\t\b\f\r\n"\\/' }), '{"s":"a\\u007fb\\t\\u0008\\u000c\\r\\n\\"\\\\/"}');
  assert.equal(write({ s: '\0\u001f é \u2028 😀' }), '{"s":"\\u0000\\u001f é \u2028 😀"}');
  assert.equal(write({ s: '\u007f', t: '\u0080' }), '{"s":"\\u007f","t":"\u0080"}');
  assert.equal(write({ 'k"\n': 1 }), '{"k\\"\\n":1}');
});

test('orders keys by UTF-8 bytes, characters beyond U+FFFF behind U+FFxx', () => {
  const keys = ['\uffee', '😀', 'é', 'z', 'a', 'ab', 'Z', '10', '9', '\ue000', '\u{10ffff}'];
  const text = write({ inner: Object.fromEntries(keys.map((key) => [key, 0])) });
  const written = [...text.matchAll(/"([^"]*)":0/g)].map((match) => match[1] ?? '');
  assert.deepEqual(written, ['10', '9', 'Z', 'a', 'ab', 'z', 'é', '\ue000', '\uffee', '😀', '\u{10ffff}']);
  assert.deepEqual(written, [...keys].sort(compareUtf8));
});

test('lets the caller replace objects that only it knows, with their pointer', () => {
  const asked: [object, string][] = [];
  const engine = new Engine();
  const replaceObject = (value: object, path: string): JsonValue | undefined => {
    asked.push([value, path]);
    return value instanceof Engine ? { '@type': 'engine', rpm: value.rpm } : undefined;
  };
  const document = { a: [1, { e: engine }], at: new Date(0), plain: {}, 'x/y': engine };
  assert.equal(
    writeBody(document, { ...LIMITS, replaceObject }),
    '{"a":[1,{"e":{"@type":"engine","rpm":1200}}],"at":"1970-01-01T00:00:00.000Z","plain":{},"x/y":{"@type":"engine","rpm":1200}}',
  );
  assert.deepEqual(asked, [
    [engine, '/a/1/e'],
    [engine, '/x~1y'],
  ]);
  assert.throws(() => writeBody({ m: new Map() }, { ...LIMITS, replaceObject }), {
    code: 'DOCUMENT_VALUE_UNSUPPORTED',
    message: 'the document holds an instance of Map at /m',
  });
});

test('checks a replacement like any other value, and does not replace it again', () => {
  const replaceWith = (replacement: unknown) => ({ ...LIMITS, replaceObject: () => replacement as JsonValue });
  assert.throws(() => writeBody({ e: new Engine() }, replaceWith({ n: Number.NaN })), {
    code: 'DOCUMENT_NUMBER_INVALID',
    message: 'the document holds the number NaN at /e/n',
  });
  assert.throws(() => writeBody({ e: new Engine() }, replaceWith(new Engine())), {
    code: 'DOCUMENT_VALUE_UNSUPPORTED',
  });
});

test('keeps an error of the replacement as it is', () => {
  const failure = new HawserError('BLOB_INVALID', 'not a blob');
  const replaceObject = (): never => {
    throw failure;
  };
  assert.throws(
    () => writeBody({ e: new Engine() }, { ...LIMITS, replaceObject }),
    (error) => error === failure,
  );
});

test('takes a document at the limit of the depth', () => {
  assert.equal(write(nested(100)), `{"deep":${'['.repeat(99)}1${']'.repeat(99)}}`);
});
