import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_PROPERTIES_SIZE, MessageProperties } from '../../src/blip/index.js';
import { encodeProperties } from '../../src/blip/properties.js';
import { throwsCode } from './drive.js';
import { hex, payload } from './raw-peer.js';

const decode = (text: string): MessageProperties => MessageProperties.decode(Buffer.from(text));

test('refuses to send what cannot be written, and names it', () => {
  const properties = (value: unknown) => () => encodeProperties({ id: value as string });
  assert.match(throwsCode('ARGUMENT_INVALID', properties('a\0b')), /"id".*NUL/);
  assert.match(
    throwsCode('ARGUMENT_INVALID', () => encodeProperties({ 'i\0d': 'x' })),
    /NUL/,
  );
  assert.match(throwsCode('ARGUMENT_INVALID', properties(7)), /"id".*string/);
  assert.match(throwsCode('ARGUMENT_INVALID', properties(undefined)), /"id".*string/);
  assert.match(throwsCode('ARGUMENT_INVALID', properties('\ud800')), /surrogate/);
});

test('sends up to 102,400 bytes of properties and not one more', () => {
  const largest = 'x'.repeat(MAX_PROPERTIES_SIZE - 'a\0\0'.length);
  assert.equal(encodeProperties({ a: largest }).length, 3 + MAX_PROPERTIES_SIZE);
  assert.match(
    throwsCode('ARGUMENT_INVALID', () => encodeProperties({ a: `${largest}x` })),
    /102401/,
  );
});

test('writes length, names and values as in specification 2.12', () => {
  const expected = hex(`24 | 50 72 6F 66 69 6C 65 00 67 65 74 43 68 65 63 6B 70 6F 69 6E 74 00
                        63 6C 69 65 6E 74 00 63 70 2D 61 62 63 00`);
  assert.deepEqual(Buffer.from(encodeProperties({ Profile: 'getCheckpoint', client: 'cp-abc' })), expected);
  assert.deepEqual(Buffer.from(encodeProperties({})), hex('00'));
});

test('writes text beyond ASCII as UTF-8 and counts its bytes', () => {
  const properties = { id: 'Möwe-日本-🛥', rev: '' };
  assert.deepEqual(Buffer.from(encodeProperties(properties)), payload(properties));
  const long = { id: 'é'.repeat(200), ключ: '\ufffd' };
  assert.deepEqual(Buffer.from(encodeProperties(long)), payload(long));
});

test('refuses received properties that are not ended by NUL', () => {
  throwsCode('BLIP_PROPERTIES_INVALID', () => decode('Profile\0rev'));
  throwsCode('BLIP_PROPERTIES_INVALID', () => decode('x'));
});

test('refuses received properties that are not UTF-8, but not the replacement character itself', () => {
  throwsCode('BLIP_PROPERTIES_INVALID', () => MessageProperties.decode(hex('69 64 00 ff 00')));
  throwsCode('BLIP_PROPERTIES_INVALID', () => MessageProperties.decode(hex('69 64 00 ed a0 80 00')));
  assert.equal(decode('id\0\ufffd\0').get('id'), '\ufffd');
  assert.equal(decode('id\0\ufeffbom\0').get('id'), '\ufeffbom');
});

test('tells an empty value from an absent one only where asked to', () => {
  const properties = decode('rev\0\0id\0doc\0');
  assert.equal(properties.get('rev'), '');
  assert.equal(properties.text('rev'), undefined);
  assert.equal(properties.get('id'), 'doc');
  assert.equal(properties.text('id'), 'doc');
  assert.equal(properties.get('history'), undefined);
  assert.equal(properties.text('history'), undefined);
});

test('takes the first of duplicates, and no value for a name', () => {
  const properties = decode('a\0b\0a\0c\0b\0d\0');
  assert.equal(properties.get('a'), 'b');
  assert.equal(properties.get('b'), 'd');
  assert.equal(properties.get('c'), undefined);
  assert.deepEqual(
    [...properties.entries()],
    [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'd'],
    ],
  );
});

test('ignores a last name without a value', () => {
  const properties = decode('a\0b\0Profile\0');
  assert.equal(properties.get('Profile'), undefined);
  assert.deepEqual([...properties.entries()], [['a', 'b']]);
  assert.deepEqual([...decode('Profile\0').entries()], []);
  assert.deepEqual([...decode('\0').entries()], []);
  assert.deepEqual([...decode('a\0\0').entries()], [['a', '']]);
});

test('has no properties where the message has none', () => {
  assert.deepEqual([...MessageProperties.decode(Buffer.alloc(0)).entries()], []);
  assert.equal(MessageProperties.NONE.get(''), undefined);
});

test('knows no property that an object inherits', () => {
  assert.equal(decode('a\0b\0').get('constructor'), undefined);
  assert.deepEqual(Buffer.from(encodeProperties({ ['__proto__']: 'x' })), payload({ ['__proto__']: 'x' }));
});

test('reads decimal integers that a number holds exactly', () => {
  const integer = (value: string): number | undefined => new MessageProperties(['n', value]).integer('n');
  assert.equal(integer('0'), 0);
  assert.equal(integer('-12'), -12);
  assert.equal(integer('200'), 200);
  assert.equal(integer('9007199254740991'), 9007199254740991);
  for (const other of ['9007199254740992', '', '1.5', '1e3', '0x10', ' 1', '1 ', '+1', 'one', '--1']) {
    assert.equal(integer(other), undefined, other);
  }
  assert.equal(MessageProperties.NONE.integer('n'), undefined);
});

test('reads booleans as specification 2.3 says', () => {
  const boolean = (value: string): boolean => new MessageProperties(['b', value]).boolean('b');
  for (const yes of ['true', 'TRUE', 'True', 'yes', 'YES', '1', '-1', '2', '010', '99999999999999999999']) {
    assert.equal(boolean(yes), true, yes);
  }
  for (const no of ['false', 'FALSE', 'no', 'NO', '0', '00', '-0', '', 'on', 'truly', 'yes!', '1x']) {
    assert.equal(boolean(no), false, no);
  }
  assert.equal(MessageProperties.NONE.boolean('b'), false);
});
