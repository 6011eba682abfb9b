/** What a peer is told when a session of ours ends early (specification 9.4, 1.6.1). Pure. */
import { MessagingError } from '../endpoint/index.js';
import { isHawserError } from '../errors.js';

/** The reason to close with after `error`. */
export function closingError(error: unknown): MessagingError {
  const recoverable = isHawserError(error) && error.retryable;
  const code = isHawserError(error) ? error.code : 'REPLICATION_PROTOCOL_ERROR';
  const message = error instanceof Error ? error.message : String(error);
  return new MessagingError(code, message, { recoverable, closeCode: closeCodeFor(error) });
}

/** The peer said goodbye before everything was done. */
export function closedByPeerError(): MessagingError {
  return new MessagingError('CONNECTION_CLOSED_BY_PEER', 'the peer closed the connection', {
    recoverable: true,
    closeCode: 1000,
  });
}

/** A feed of ours cannot go on; the peer is to come back for the rest. */
export function feedError(cause: unknown): MessagingError {
  const code = isHawserError(cause) ? cause.code : 'REPLICATION_PROTOCOL_ERROR';
  return new MessagingError(code, 'the feed cannot go on', { recoverable: true, cause });
}

/** 4001: I will be back. 1000: you said no, as you may. 4002: one of us is at fault. */
function closeCodeFor(error: unknown): number {
  if (!isHawserError(error)) return 4002;
  if (error.retryable) return 4001;
  // Of the refusals, which have HTTP statuses, only 400 and 403 count as faults.
  const status = error.domain === 'WebSocket' ? error.number - 10_000 : 0;
  return status > 400 && status < 600 && status !== 403 ? 1000 : 4002;
}
