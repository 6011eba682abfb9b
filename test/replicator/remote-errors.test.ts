import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HawserError } from '../../src/index.js';
import {
  errorToReply,
  isError,
  isTransientReply,
  isTransientStatus,
  remoteErrorToHawser,
  reply,
} from '../../src/replicator/remote-errors.js';

describe('an error reply of a peer', () => {
  it('becomes an error with the domain and number that Couchbase Lite has for it (specification 9.4)', () => {
    for (const [error, code, domain, number, retryable] of [
      [reply.http(401, ''), 'AUTHENTICATION_FAILED', 'WebSocket', 10_401, false],
      [reply.http(403, ''), 'ACCESS_DENIED', 'WebSocket', 10_403, false],
      [reply.http(404, ''), 'REPLICATION_REMOTE_ERROR', 'WebSocket', 10_404, false],
      [reply.http(500, ''), 'REPLICATION_REMOTE_ERROR', 'WebSocket', 10_500, false],
      [reply.http(503, ''), 'CONNECTION_UNAVAILABLE', 'WebSocket', 10_503, true],
      [reply.blip(404, ''), 'REPLICATION_REMOTE_ERROR', 'CouchbaseLite', 26, false],
      [reply.liteCore(8, ''), 'REPLICATION_REMOTE_ERROR', 'CouchbaseLite', 8, false],
      [{ domain: 'POSIX', code: 28, message: '' }, 'REPLICATION_REMOTE_ERROR', 'POSIX', 28, false],
      [{ domain: 'Fleece', code: 5, message: '' }, 'REPLICATION_REMOTE_ERROR', 'CouchbaseLite', 26, false],
      [{ domain: 'SQLite', code: 13, message: '' }, 'REPLICATION_REMOTE_ERROR', 'SQLite', 13, false],
      [{ domain: 'Network', code: 3, message: '' }, 'REPLICATION_REMOTE_ERROR', 'Network', 5_003, false],
      [{ domain: 'WebSocket', code: 404, message: '' }, 'REPLICATION_REMOTE_ERROR', 'WebSocket', 10_404, false],
      [{ domain: 'constructor', code: 1, message: '' }, 'REPLICATION_REMOTE_ERROR', 'CouchbaseLite', 26, false],
      [{ domain: '', code: -1, message: '' }, 'REPLICATION_REMOTE_ERROR', 'CouchbaseLite', 26, false],
    ] as const) {
      const made = remoteErrorToHawser('rev', error);
      assert.deepEqual([made.code, made.domain, made.number, made.retryable], [code, domain, number, retryable]);
    }
  });

  it('says what the peer said, in bounds', () => {
    assert.match(
      remoteErrorToHawser('rev', reply.http(403, 'not for you')).message,
      /rev with HTTP\/403: not for you$/,
    );
    const long = { domain: 'x'.repeat(10_000), code: 1, message: 'y'.repeat(1_000_000) };
    assert.ok(remoteErrorToHawser('rev', long).message.length < 1_000);
  });

  it('is passing for the statuses of an overloaded server alone', () => {
    for (const status of [408, 429, 502, 503, 504]) assert.equal(isTransientStatus(status), true);
    for (const status of [0, 200, 304, 400, 401, 403, 404, 409, 422, 500, 501, 505, -503, 503.5]) {
      assert.equal(isTransientStatus(status), false, String(status));
    }
    assert.equal(isTransientReply(reply.http(503, '')), true);
    assert.equal(isTransientReply(reply.blip(503, '')), false);
    assert.equal(isError(undefined, 'HTTP', 503), false);
  });
});

describe('the reply to a failure of ours', () => {
  const replied = (error: unknown): string => {
    const { domain, code } = errorToReply(error);
    return `${domain}/${code}`;
  };

  it('blames the revision where it is at fault', () => {
    assert.equal(replied(new HawserError('DOCUMENT_ID_INVALID', '')), 'LiteCore/29');
    assert.equal(replied(new HawserError('REVISION_ID_INVALID', '')), 'LiteCore/4');
    assert.equal(replied(new HawserError('REVISION_HISTORY_INVALID', '')), 'LiteCore/4');
    assert.equal(replied(new HawserError('DOCUMENT_BODY_INVALID', '')), 'LiteCore/5');
    assert.equal(replied(new HawserError('DOCUMENT_CONFLICT', '')), 'LiteCore/8');
  });

  it('is "later" for trouble of our own, so that no peer gives the revision up', () => {
    for (const code of [
      'STORAGE_FULL',
      'STORAGE_IO_ERROR',
      'STORAGE_READ_ONLY',
      'STORAGE_FAILED',
      'WRITE_QUEUE_FULL',
      'DATABASE_CLOSED',
      'DATABASE_CORRUPT',
      'DATABASE_IN_BATCH',
      'COLLECTION_DELETED',
    ] as const) {
      assert.equal(replied(new HawserError(code, 'the path of a file that a peer need not know')), 'HTTP/503', code);
      assert.doesNotMatch(errorToReply(new HawserError(code, 'secret')).message, /secret/);
    }
  });

  it('tells nothing of what nobody foresaw', () => {
    assert.deepEqual(errorToReply(new TypeError('secret')), reply.blip(501, 'unexpected exception'));
    assert.deepEqual(errorToReply('secret'), reply.blip(501, 'unexpected exception'));
  });
});
