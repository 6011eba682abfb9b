import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkInteger, checkOptions, checkSeconds } from '../../src/base/index.js';

test('names the unknown option and lists the known ones', () => {
  assert.throws(() => checkOptions('new Replicator', { continous: true }, ['continuous', 'endpoint']), {
    code: 'OPTION_UNKNOWN',
    message: 'new Replicator: unknown option "continous" (known: continuous, endpoint)',
  });
});

test('refuses options that are no object', () => {
  for (const options of [null, [], 'text', 5, () => undefined]) {
    assert.throws(() => checkOptions('open', options as unknown as object, []), {
      code: 'ARGUMENT_INVALID',
      message: 'open: options must be an object',
    });
  }
});

test('takes known options, none of them, and no options', () => {
  checkOptions('open', { a: 1 }, ['a', 'b']);
  checkOptions('open', {}, ['a']);
  checkOptions('open', undefined, ['a']);
});

test('refuses what is not an integer within the bounds', () => {
  for (const value of [0, 11, 1.5, Number.NaN, Infinity, 2 ** 53, '5', 5n, null, undefined]) {
    assert.throws(() => checkInteger('maxHistory', value, 1, 10), {
      code: 'ARGUMENT_INVALID',
      message: `maxHistory must be an integer from 1 to 10, not ${String(value)}`,
    });
  }
});

test('gives back an integer within the bounds, both included', () => {
  assert.equal(checkInteger('x', 1, 1, 10), 1);
  assert.equal(checkInteger('x', 10, 1, 10), 10);
  assert.equal(checkInteger('x', Number.MAX_SAFE_INTEGER, 0), Number.MAX_SAFE_INTEGER);
});

test('takes seconds that a timer can hold, and none', () => {
  for (const value of [0, 0.5, 2_000_000]) assert.equal(checkSeconds('heartbeat', value), value);
  assert.equal(checkSeconds('heartbeat', undefined), 0);
  for (const value of [-1, 2_000_001, Number.NaN, Infinity, '5', null]) {
    assert.throws(() => checkSeconds('heartbeat', value as number), {
      code: 'ARGUMENT_INVALID',
      message: `heartbeat must be a number of seconds from 0 to 2000000, not ${String(value)}`,
    });
  }
});
