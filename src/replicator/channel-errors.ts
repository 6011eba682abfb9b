/** What ends a connection, as the error that the replicator and the peer are told. */
import { lostError, MessagingError, toMessagingError } from '../endpoint/index.js';
import { HawserError, isHawserError } from '../errors.js';

/** Why the connection ends when a body that was being sent could not be read on: the next one may do better. */
export function brokenBodyError(cause: unknown): MessagingError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MessagingError('CONNECTION_INTERRUPTED', `the body of a message broke off: ${message}`, {
    recoverable: true,
    cause,
  });
}

/** A connection that is not open any more has ended without having said so yet: that may pass, whatever the code says. */
export function sendError(error: unknown): MessagingError {
  const reason = toMessagingError(error, 'a message could not be sent');
  return reason.code === 'CONNECTION_NOT_OPEN' ? lostError('the connection ended while sending', error) : reason;
}

/** A fault of the peer's frames ends the connection with 1011, as a Couchbase Lite core ends it (specification 2.10). */
export function asMessagingError(error: unknown): MessagingError {
  if (error instanceof MessagingError) return error;
  if (isHawserError(error)) {
    return new MessagingError(error.code, error.message, { recoverable: false, closeCode: 1011, cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new MessagingError('CONNECTION_FAILED', message, { recoverable: false, closeCode: 1011, cause: error });
}

export function closedError(cause?: MessagingError): HawserError {
  return new HawserError(
    'BLIP_CLOSED',
    'the connection ended before the request was answered',
    cause === undefined ? {} : { cause },
  );
}
