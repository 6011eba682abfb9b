import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyDelta, createDelta } from '../../src/delta/index.js';

describe('createDelta', () => {
  const rows: readonly [title: string, oldBody: string, newBody: string, delta: string][] = [
    ['finds no difference in spelling', '{"a":"\\u0041","b":1e2, "c":[ ]}', '{"c":[],"b":100.0,"a":"A"}', '{}'],
    ['keeps an integer and a double apart', '{"a":1}', '{"a":1.0}', '{"a":1.0}'],
    [
      'keeps integers of 64 bits exact',
      '{"a":18446744073709551614}',
      '{"a":18446744073709551615}',
      '{"a":18446744073709551615}',
    ],
    ['keeps what no double holds as it is', '{"a":1e400,"b":1e400}', '{"a":1e400,"b":1e500}', '{"b":1e500}'],
    ['replaces a value by null', '{"a":{}}', '{"a":null}', '{"a":null}'],
    ['wraps an empty array, which would be a deletion', '{"a":1}', '{"a":[]}', '{"a":[[]]}'],
    ['wraps an empty object, which would be no change', '{"a":1}', '{"a":{}}', '{"a":[{}]}'],
    ['wraps inside an array', '{"a":[1,2]}', '{"a":[[],{}]}', '{"a":{"0":[[]],"1":[{}]}}'],
    ['does not wrap a remainder', '{"a":[1]}', '{"a":[1,[],{"x":[]}]}', '{"a":{"1-":[[],{"x":[]}]}}'],
    [
      'takes __proto__ for a key',
      '{"__proto__":{"a":1}}',
      '{"__proto__":{"a":2},"constructor":1}',
      '{"__proto__":{"a":2},"constructor":1}',
    ],
    ['replaces a short text', '{"a":"one two three"}', '{"a":"one two four"}', '{"a":"one two four"}'],
  ];
  for (const [title, oldBody, newBody, delta] of rows) {
    test(title, () => {
      assert.equal(createDelta(oldBody, newBody), delta);
      assert.equal(createDelta(newBody, newBody), '{}');
    });
  }

  const long = 'x'.repeat(80);
  const texts: readonly [title: string, before: string, after: string, ops: string | undefined][] = [
    ['edits in several places', `${long}1${long}2${long}`, `${long}3${long}4${long}`, '80=1-1+3|80=1-1+4|80='],
    ['appends', long, `${long}yy`, '80=2+yy|'],
    ['truncates', `${long}yy`, long, '80=2-'],
    ['counts the bytes of characters', `${long}ä😀`, `${long}ö😁`, '80=6-6+ö😁|'],
    ['inserts a bar', long, `${long}|`, '80=1+||'],
    ['replaces what has nothing in common', long, 'y'.repeat(80), undefined],
    ['replaces what shrinks below 60 bytes', long, 'x'.repeat(59), undefined],
    ['edits what shrinks to 60 bytes', long, 'x'.repeat(60), '60=20-'],
  ];
  for (const [title, before, after, ops] of texts) {
    test(`${title} (text)`, () => {
      const delta = createDelta(JSON.stringify({ a: before }), JSON.stringify({ a: after }));
      assert.equal(delta, JSON.stringify({ a: ops === undefined ? after : [ops, 0, 2] }));
      assert.deepEqual(JSON.parse(applyDelta(JSON.stringify({ a: before }), delta)), { a: after });
    });
  }

  test('gives up on long texts without anything in common, and still finds both ends', () => {
    const [a, b] = ['ab'.repeat(100_000), 'ba'.repeat(90_000)];
    const [before, after] = [`head ${a} tail`, `head c${b}d tail`].map((s) => JSON.stringify({ s }));
    const delta = createDelta(before ?? '', after ?? '');
    assert.ok(delta.length < 181_000, `${delta.length}`);
    assert.equal(applyDelta(before ?? '', delta), after);
  });

  test('is not led into the depth of a body', () => {
    const deep = (inner: string): string => `{"a":${'['.repeat(100_000)}${inner}${']'.repeat(100_000)}}`;
    const delta = createDelta(deep('1'), deep('2'));
    assert.ok(delta.length > 200_000 && delta.length < 201_000, `${delta.length}`);
  });

  test('replaces an array of which everything changed', () => {
    const body = (item: number): string => JSON.stringify({ a: Array.from({ length: 50_000 }, () => item) });
    assert.equal(createDelta(body(1), body(2)), `{"a":[${body(2).slice(5, -1)}]}`);
  });

  test('refuses what is not JSON', () => {
    for (const bad of ['', '{', '{"a":"\\ud800"}', '{"a":01}', '{"a":1.}', '{} {}']) {
      assert.throws(() => createDelta('{}', bad), { code: 'DOCUMENT_BODY_INVALID' }, bad);
    }
  });
});
