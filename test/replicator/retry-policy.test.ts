import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HawserError, type ErrorCode } from '../../src/errors.js';
import { retryDelayMs, shouldRetry } from '../../src/replicator/retry-policy.js';

const oneShot = { continuous: false, maxAttempts: 10, maxAttemptWaitTimeMs: 300_000 };
const continuous = { ...oneShot, continuous: true, maxAttempts: Number.POSITIVE_INFINITY };
const error = (code: ErrorCode): HawserError => new HawserError(code, 'test');

describe('retrying', () => {
  it('happens after what may pass, and not after what will not', () => {
    for (const code of [
      'CONNECTION_REFUSED',
      'CONNECTION_LOST',
      'CONNECTION_UNAVAILABLE',
      'CONNECTION_INTERRUPTED',
    ] as const) {
      assert.equal(shouldRetry(error(code), 1, oneShot), true, code);
    }
    for (const code of [
      'AUTHENTICATION_FAILED',
      'ACCESS_DENIED',
      'TLS_CERTIFICATE_UNTRUSTED',
      'CONNECTION_FAILED',
    ] as const) {
      assert.equal(shouldRetry(error(code), 1, continuous), false, code);
    }
  });

  it('brings a continuous replication back after its listener stopped, and ends a one-shot one', () => {
    assert.equal(shouldRetry(error('CONNECTION_CLOSED_BY_PEER'), 1, continuous), true);
    assert.equal(shouldRetry(error('CONNECTION_CLOSED_BY_PEER'), 1, oneShot), false);
  });

  it('ends with the last attempt', () => {
    assert.equal(shouldRetry(error('CONNECTION_REFUSED'), 9, oneShot), true);
    assert.equal(shouldRetry(error('CONNECTION_REFUSED'), 10, oneShot), false);
    assert.equal(shouldRetry(error('CONNECTION_REFUSED'), 1, { ...oneShot, maxAttempts: 1 }), false);
  });

  it('waits 2, 4, 8 … 300 seconds, less up to a quarter', () => {
    const full = Array.from({ length: 10 }, (_, index) => retryDelayMs(index + 1, oneShot, 0) / 1000);
    assert.deepEqual(full, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert.equal(retryDelayMs(1, oneShot, 0.999_999) > 1_500, true);
    assert.equal(retryDelayMs(1, oneShot, 0.5), 1_750);
    assert.equal(retryDelayMs(5_000, oneShot, 0), 300_000);
  });
});
