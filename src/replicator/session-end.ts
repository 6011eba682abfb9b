/** Why a session ended early, and what the peer is told of it (specification 9.4, 1.6.1). Pure. */
import { MessagingError } from '../endpoint/index.js';
import { HawserError, isHawserError } from '../errors.js';

/** As one of our own: anything else that is thrown is a fault of the session. */
export function asHawserError(error: unknown): HawserError {
  if (isHawserError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HawserError('REPLICATION_PROTOCOL_ERROR', message, { cause: error });
}

/** The reason to close with after `error`. */
export function closingError(error: unknown): MessagingError {
  const reason = asHawserError(error);
  const { code, message, retryable: recoverable } = reason;
  return new MessagingError(code, message, { recoverable, closeCode: closeCodeFor(reason) });
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
  return new MessagingError(asHawserError(cause).code, 'the feed cannot go on', { recoverable: true, cause });
}

/** 4001: I will be back. 1000: you said no, as you may. 4002: one of us is at fault. */
function closeCodeFor(error: HawserError): number {
  if (error.retryable) return 4001;
  // Of the refusals, which have HTTP statuses, only 400 and 403 count as faults.
  const status = error.domain === 'WebSocket' ? error.number - 10_000 : 0;
  return status > 400 && status < 600 && status !== 403 ? 1000 : 4002;
}
