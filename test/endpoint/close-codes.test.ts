/** Close codes: specification 1.6.1 and RFC 6455 7.4. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  closeCodeToError,
  errorToCloseCode,
  isSendableCloseCode,
  MAX_CLOSE_REASON_BYTES,
  MessagingError,
} from '../../src/endpoint/index.js';
import type { ErrorCode } from '../../src/errors.js';

describe('closeCodeToError', () => {
  const meanings: readonly (readonly [code: number | undefined, ErrorCode, recoverable: boolean, number: number])[] = [
    [1000, 'CONNECTION_CLOSED_BY_PEER', true, 11_001],
    [1001, 'CONNECTION_CLOSED_BY_PEER', true, 11_001],
    [1005, 'CONNECTION_CLOSED_BY_PEER', true, 11_001],
    [undefined, 'CONNECTION_LOST', true, 11_006],
    [1006, 'CONNECTION_LOST', true, 11_006],
    [1012, 'CONNECTION_UNAVAILABLE', true, 11_012],
    [1013, 'CONNECTION_UNAVAILABLE', true, 11_013],
    [1014, 'CONNECTION_UNAVAILABLE', true, 11_014],
    [4001, 'CONNECTION_INTERRUPTED', true, 14_001],
    [4002, 'CONNECTION_FAILED', false, 14_002],
    [4000, 'CONNECTION_FAILED', false, 14_000],
    [4999, 'CONNECTION_FAILED', false, 14_999],
    [3000, 'CONNECTION_FAILED', false, 13_000],
    [1002, 'CONNECTION_PROTOCOL_ERROR', false, 11_002],
    [1003, 'CONNECTION_PROTOCOL_ERROR', false, 11_003],
    [1007, 'CONNECTION_PROTOCOL_ERROR', false, 11_007],
    [1008, 'CONNECTION_PROTOCOL_ERROR', false, 11_008],
    [1009, 'CONNECTION_PROTOCOL_ERROR', false, 11_009],
    [1010, 'CONNECTION_PROTOCOL_ERROR', false, 11_010],
    [1011, 'CONNECTION_PROTOCOL_ERROR', false, 11_011],
    [0, 'CONNECTION_PROTOCOL_ERROR', false, 11_002],
    [2999, 'CONNECTION_PROTOCOL_ERROR', false, 11_002],
    [65_535, 'CONNECTION_PROTOCOL_ERROR', false, 11_002],
  ];
  for (const [code, expected, recoverable, number] of meanings) {
    test(`takes ${code ?? 'no close frame'} for ${expected}, ${recoverable ? 'recoverable' : 'permanent'}`, () => {
      const error = closeCodeToError(code, 'because');
      assert.equal(error.code, expected);
      assert.equal(error.recoverable, recoverable);
      assert.equal(error.retryable, recoverable);
      assert.equal(error.number, number);
      assert.match(error.message, /because/);
    });
  }
});

describe('errorToCloseCode', () => {
  test('says 1000 without an error', () => {
    assert.deepEqual(errorToCloseCode(undefined), { code: 1000, reason: '' });
  });

  test('says 4001 for a recoverable error and 4002 for another', () => {
    for (const [recoverable, code] of [
      [true, 4001],
      [false, 4002],
    ] as const) {
      const error = new MessagingError('CONNECTION_FAILED', 'why', { recoverable });
      assert.deepEqual(errorToCloseCode(error), { code, reason: 'why' });
    }
  });

  test("says the error's own code", () => {
    const error = new MessagingError('LISTENER_STOPPED', 'stopped', { recoverable: true, closeCode: 1001 });
    assert.deepEqual(errorToCloseCode(error), { code: 1001, reason: 'stopped' });
  });

  test('never says what may not be sent', () => {
    for (const closeCode of [1004, 1005, 1006, 1015, 999, 2000, 5000, 70_000, 1000.5]) {
      assert.equal(isSendableCloseCode(closeCode), false, String(closeCode));
      const error = new MessagingError('CONNECTION_LOST', 'why', { recoverable: true, closeCode });
      assert.equal(errorToCloseCode(error).code, 4001);
    }
  });

  test('cuts the reason between characters to what a close frame holds', () => {
    const cases: readonly (readonly [text: string, bytes: number])[] = [
      ['x'.repeat(200), 123],
      ['ü'.repeat(100), 122],
      ['€'.repeat(50), 123],
      ['𝄞'.repeat(40), 120],
      ['x'.repeat(123), 123],
    ];
    for (const [text, bytes] of cases) {
      const { reason } = errorToCloseCode(new MessagingError('CONNECTION_FAILED', text, { recoverable: false }));
      assert.equal(Buffer.byteLength(reason), bytes);
      assert.ok(text.startsWith(reason));
      assert.ok(bytes <= MAX_CLOSE_REASON_BYTES);
    }
  });

  test('survives the way there and back', () => {
    for (const recoverable of [true, false]) {
      const sent = new MessagingError('CONNECTION_TIMEOUT', 'slow', { recoverable });
      const { code, reason } = errorToCloseCode(sent);
      assert.equal(closeCodeToError(code, reason).recoverable, recoverable);
    }
  });
});
