/** Documents keep exactly what they are given. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { randomDocument } from '../base/random-json.js';
import { openAt, openDatabase } from './fixtures.js';

/** Saves, closes, opens, reads. */
async function roundTrip(context: TestContext, bodies: readonly object[]): Promise<unknown[]> {
  const database = await openDatabase(context);
  const ids = bodies.map((_, index) => `doc-${index}`);
  const collection = database.collection<object>('values');
  const saved = await Promise.all(bodies.map((body, index) => collection.save(ids[index] ?? '', body)));
  assert.deepEqual(
    saved.map((document) => document.body),
    bodies,
  );
  await database.close();
  const again = (await openAt(context, database.path)).collection<object>('values');
  return (await again.getMany(ids)).map((document) => document?.body);
}

describe('a document keeps', () => {
  test('integers of 64 bits, as numbers where these are exact and as bigints beyond', async (context) => {
    const values = [
      ...[0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53) + 1],
      ...[2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n],
    ];
    assert.deepEqual(await roundTrip(context, [{ values }]), [{ values }]);
  });

  test('doubles to the last bit, and the sign of zero', async (context) => {
    const random = seededRandom(754);
    const values = [
      0.1,
      1 / 3,
      Math.PI,
      5e-324,
      1.7976931348623157e308,
      2 ** 53,
      1e21,
      1e16,
      1e-7,
      -0,
      0.30000000000000004,
    ];
    const bits = new DataView(new ArrayBuffer(8));
    while (values.length < 2_000) {
      for (let byte = 0; byte < 8; byte++) bits.setUint8(byte, random.next() * 256);
      const value = bits.getFloat64(0);
      if (Number.isFinite(value)) values.push(value);
    }
    const [found] = (await roundTrip(context, [{ values }])) as { values: number[] }[];
    assert.ok(values.every((value, index) => Object.is(value, found?.values[index])));
  });

  test('a bigint that a number could hold as that number', async (context) => {
    const collection = (await openDatabase(context)).collection('values');
    assert.deepEqual((await collection.save('a', { n: 5n })).body, { n: 5 });
  });

  test('text of every kind', async (context) => {
    const texts = [
      '',
      '\0',
      '\u0001\u001f\u007f\u0080',
      '"\\/\b\f\n\r\t',
      '\u2028\u2029',
      'é',
      'e\u0301',
      '日本語',
      '😀👩‍👩‍👧',
      '\ufeff',
      '\uffff',
      '\x02',
    ];
    const every = Array.from({ length: 0x110 }, (_, index) => String.fromCodePoint(index * 0x1000 || 1)).filter(
      (text) => text.isWellFormed(),
    );
    const body = { texts, every: every.join(''), [texts.join('k')]: 1 };
    assert.deepEqual(await roundTrip(context, [body]), [body]);
  });

  test('keys that mean something to JavaScript', async (context) => {
    const body = JSON.parse('{"constructor":{"prototype":2},"a":{"__proto__":{"x":1},"hasOwnProperty":3}}') as object;
    const [found] = await roundTrip(context, [body]);
    assert.equal(JSON.stringify(found), '{"a":{"__proto__":{"x":1},"hasOwnProperty":3},"constructor":{"prototype":2}}');
    assert.equal(({} as { x?: number }).x, undefined);
  });

  test('null apart from what is absent, and leaves out what is undefined', async (context) => {
    const collection = (await openDatabase(context)).collection('values');
    const saved = await collection.save('a', { a: null, b: undefined, c: { d: undefined }, e: [], f: {} });
    assert.equal(saved.toJSONText(), '{"a":null,"c":{},"e":[],"f":{}}');
    assert.ok(!('b' in saved.body));
  });

  test('a Date as its ISO text', async (context) => {
    const collection = (await openDatabase(context)).collection('values');
    const at = new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 7));
    assert.deepEqual((await collection.save('a', { at })).body, { at: '2026-02-03T04:05:06.007Z' });
  });

  test('a hundred levels', async (context) => {
    let body: object = { leaf: 1 };
    for (let level = 1; level < 100; level++) body = level % 2 === 0 ? [body] : { a: body };
    assert.deepEqual(await roundTrip(context, [{ ...body }]), [body]);
  });

  test('bodies up to 20 MiB, some of them in one commit', async (context) => {
    const text = 'é😀"\n'.repeat(1_000);
    const large = { text: 'x'.repeat(20 * 1024 * 1024 - '{"text":""}'.length) };
    const bodies = [large, { text }, ...Array.from({ length: 6 }, (_, index) => ({ text: text.repeat(300), index }))];
    assert.deepEqual(await roundTrip(context, bodies), bodies);
  });

  test('what random bodies hold', async (context) => {
    const seed = 20_260;
    const random = seededRandom(seed);
    const bodies = Array.from({ length: 300 }, () => randomDocument(random));
    assert.deepEqual(await roundTrip(context, bodies), bodies, `seed ${seed}`);
  });
});
