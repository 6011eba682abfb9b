/** Recognises a {@link MessagingError} and makes one of anything else that a transport threw. Knows no medium. */
import { isHawserError } from '../errors.js';
import { MessagingError } from './connection.js';

/** True for a `MessagingError` of any copy of this package. */
export function isMessagingError(error: unknown): error is MessagingError {
  return isHawserError(error) && 'recoverable' in error && 'closeCode' in error;
}

/**
 * What `cause` means to a replicator. A `MessagingError` stays as it is; another coded error keeps its code and is
 * recoverable if it is retryable. Whatever carries no such word is taken for a passing error: a device in the field
 * had better try again than stop for ever because of an exception that nobody classified.
 */
export function toMessagingError(cause: unknown, what: string): MessagingError {
  if (isMessagingError(cause)) return cause;
  if (isHawserError(cause)) {
    const { code, message, domain, number, hint, retryable } = cause;
    return new MessagingError(code, message, { cause, domain, number, hint, recoverable: retryable });
  }
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new MessagingError('CONNECTION_INTERRUPTED', `${what}: ${detail}`, { cause, recoverable: true });
}

/** The error of a call that came too early or too late. */
export function notOpenError(message: string): MessagingError {
  return new MessagingError('CONNECTION_NOT_OPEN', message, { recoverable: false });
}

/** The link broke and nobody said why. */
export function lostError(message: string, cause?: unknown): MessagingError {
  return new MessagingError('CONNECTION_LOST', message, { recoverable: true, closeCode: 1006, cause });
}
