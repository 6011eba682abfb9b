import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERRORS, HawserError, type ErrorCode } from '../../src/errors.js';
import { classify, retryDelayMs, shouldRetry } from '../../src/replicator/retry-policy.js';

const oneShot = { continuous: false, maxAttempts: 10, maxAttemptWaitTimeMs: 300_000 };
const continuous = { ...oneShot, continuous: true, maxAttempts: Number.POSITIVE_INFINITY };
const error = (code: ErrorCode): HawserError => new HawserError(code, 'test');

describe('the class of a failure', () => {
  const TRANSIENT: readonly ErrorCode[] = [
    'DATABASE_BUSY',
    'WRITE_QUEUE_FULL',
    'STORAGE_FULL',
    'BLIP_CLOSED',
    'CONNECTION_LOST',
    'CONNECTION_REFUSED',
    'CONNECTION_TIMEOUT',
    'CONNECTION_UNAVAILABLE',
    'CONNECTION_BUFFER_FULL',
    'CONNECTION_INTERRUPTED',
    'REPLICATION_BACKLOG_FULL',
    'REPLICATION_PEER_SILENT',
    'AUTHENTICATION_DELAYED',
    'AUTHORIZATION_FAILED',
    'LISTENER_BUSY',
    // An adapter is plugged in again, another program lets go.
    'SERIAL_PORT_NOT_FOUND',
    'SERIAL_PORT_BUSY',
    'SERIAL_PORT_LOST',
  ];
  const NETWORK: readonly ErrorCode[] = [
    'CONNECTION_HOST_UNKNOWN',
    'CONNECTION_UNREACHABLE',
    'CONNECTION_CLOSED_BY_PEER',
    'LISTENER_STOPPED',
  ];

  it('is settled for every code, and permanent unless something is said for it', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const expected = TRANSIENT.includes(code) ? 'transient' : NETWORK.includes(code) ? 'network' : 'permanent';
      assert.equal(classify(error(code)), expected, code);
      assert.equal(shouldRetry(error(code), 1, oneShot), expected === 'transient', code);
      assert.equal(shouldRetry(error(code), 1, continuous), expected !== 'permanent', code);
    }
  });

  it('is that of Couchbase Lite for its domains and numbers (specification 9.4)', () => {
    const told = (domain: 'POSIX' | 'Network' | 'WebSocket', number: number): string =>
      classify(new HawserError('CONNECTION_LOST', '', { domain, number }));
    // ENETRESET, ECONNABORTED, ECONNRESET, ETIMEDOUT, ECONNREFUSED
    for (const number of [102, 103, 104, 110, 111]) assert.equal(told('POSIX', number), 'transient', String(number));
    // EPIPE, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, ENOTCONN, EHOSTDOWN, EHOSTUNREACH
    for (const number of [32, 99, 100, 101, 107, 112, 113])
      assert.equal(told('POSIX', number), 'network', String(number));
    assert.deepEqual(
      [told('Network', 5_001), told('Network', 5_002), told('Network', 5_003)],
      ['transient', 'network', 'transient'],
    );
    for (const number of [10_408, 10_429, 10_502, 10_503, 10_504, 11_006, 14_001])
      assert.equal(told('WebSocket', number), 'transient', String(number));
    assert.equal(classify(new HawserError('CONNECTION_LOST', '', { retryable: false })), 'permanent');
  });
});

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
