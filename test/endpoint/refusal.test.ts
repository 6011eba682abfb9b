/** What a listener's refusal means to a replicator, on every medium. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalError } from '../../src/endpoint/index.js';

const MEANINGS = [
  [400, 'CONNECTION_REJECTED', 'WebSocket', 10_400, false],
  [401, 'AUTHENTICATION_FAILED', 'WebSocket', 10_401, false],
  [403, 'ACCESS_DENIED', 'WebSocket', 10_403, false],
  [404, 'REMOTE_DATABASE_NOT_FOUND', 'WebSocket', 10_404, false],
  [408, 'CONNECTION_UNAVAILABLE', 'WebSocket', 10_408, true],
  [418, 'CONNECTION_REJECTED', 'WebSocket', 10_418, false],
  [429, 'AUTHENTICATION_DELAYED', 'WebSocket', 10_429, true],
  [495, 'TLS_CLIENT_CERTIFICATE_REJECTED', 'Network', 5_010, false],
  [496, 'TLS_CLIENT_CERTIFICATE_REQUIRED', 'Network', 5_006, false],
  [500, 'CONNECTION_REJECTED', 'WebSocket', 10_500, false],
  [502, 'CONNECTION_UNAVAILABLE', 'WebSocket', 10_502, true],
  [503, 'CONNECTION_UNAVAILABLE', 'WebSocket', 10_503, true],
  [504, 'CONNECTION_UNAVAILABLE', 'WebSocket', 10_504, true],
] as const;

for (const [status, code, domain, number, recoverable] of MEANINGS) {
  test(`${status} is ${code}`, () => {
    const error = refusalError(status, undefined, 'boat:1');
    assert.deepEqual(
      [error.code, error.domain, error.number, error.recoverable, error.retryable],
      [code, domain, number, recoverable, recoverable],
    );
    assert.match(error.message, new RegExp(`^boat:1: .*\\(HTTP ${status}\\)$`));
  });
}

test('what the peer says is told in one line that cannot write to a terminal', () => {
  const { message } = refusalError(401, 'no\r\n\u001b[31m such\u0085user ', 'boat:1');
  assert.match(message, /: no \[31m such user$/);
});

test('what the peer says is told in bounds', () => {
  assert.ok(refusalError(401, 'x'.repeat(1_000_000), 'boat:1').message.length < 300);
  assert.match(refusalError(401, ' \n', 'boat:1').message, /\(HTTP 401\)$/);
});
