/**
 * WebSocket close codes and what they mean here: the one mapping for every transport whose medium carries a close
 * code (specification 1.6.1, RFC 6455 7.4). It says what happened, not what the replicator does about it: that a
 * one-shot replicator stops on `CONNECTION_CLOSED_BY_PEER` is decided there.
 */
import { oneLine } from '../base/index.js';
import type { ErrorCode } from '../errors.js';
import { MessagingError } from './connection.js';

/** What goes into a close frame. */
export interface CloseReason {
  readonly code: number;
  /** At most {@link MAX_CLOSE_REASON_BYTES} bytes of UTF-8. */
  readonly reason: string;
}

/**
 * The error that a close code received from the peer stands for.
 *
 * @param code `undefined` when the medium ended without a close frame, 1005 when the frame carried no code
 */
export function closeCodeToError(code: number | undefined, reason: string): MessagingError {
  const received = code ?? NO_CLOSE_FRAME;
  const meaning = meaningOf(received);
  const text = reason === '' ? meaning.text : `${meaning.text}: ${oneLine(reason)}`;
  return new MessagingError(meaning.error, received === NO_CLOSE_FRAME ? text : `${text} (close code ${received})`, {
    recoverable: meaning.recoverable,
    number: meaning.number ?? 10_000 + received,
    closeCode: received,
  });
}

/**
 * What to tell the peer when a connection is closed: 1000 without an error, otherwise the error's own code where it
 * may be sent, else 4001 for a recoverable error and 4002 for another.
 */
export function errorToCloseCode(error: MessagingError | undefined): CloseReason {
  if (error === undefined) return { code: 1000, reason: '' };
  const fallback = error.recoverable ? 4001 : 4002;
  return {
    code: isSendableCloseCode(error.closeCode) ? error.closeCode : fallback,
    reason: truncateUtf8(error.message, MAX_CLOSE_REASON_BYTES),
  };
}

/** Whether RFC 6455 7.4 allows `code` in a close frame. 1005, 1006 and 1015 are local markers only. */
export function isSendableCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== NO_CLOSE_FRAME;
}

/** A control frame holds 125 bytes, two of them the code. */
export const MAX_CLOSE_REASON_BYTES = 123;

/** RFC 6455's local marker for "the connection ended without a close frame". */
const NO_CLOSE_FRAME = 1006;

interface Meaning {
  readonly error: ErrorCode;
  readonly recoverable: boolean;
  readonly text: string;
  /** Where it is not 10000 + the close code. */
  readonly number?: number;
}

function meaningOf(code: number): Meaning {
  switch (code) {
    case 1000:
    case 1001:
    case 1005: // a farewell without a reason is still a farewell
      // Couchbase Lite reports a peer's 1000 as 1001 too.
      return {
        error: 'CONNECTION_CLOSED_BY_PEER',
        recoverable: true,
        text: 'the peer closed the connection',
        number: 11_001,
      };
    case NO_CLOSE_FRAME:
      return { error: 'CONNECTION_LOST', recoverable: true, text: 'the connection broke without a farewell' };
    case 1012:
    case 1013:
    case 1014:
      // Restart, overload, bad gateway. A real core stops for good here; a device that nobody visits must not.
      return { error: 'CONNECTION_UNAVAILABLE', recoverable: true, text: 'the peer is restarting or overloaded' };
    case 4001:
      return { error: 'CONNECTION_INTERRUPTED', recoverable: true, text: 'the peer reported a passing error' };
  }
  if (code >= 3000 && code <= 4999) {
    return { error: 'CONNECTION_FAILED', recoverable: false, text: 'the peer reported a permanent error' };
  }
  const number = code >= 1002 && code <= 1015 ? 10_000 + code : 11_002;
  return {
    error: 'CONNECTION_PROTOCOL_ERROR',
    recoverable: false,
    text: 'the peer ended the connection as faulty',
    number,
  };
}

function truncateUtf8(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not in the middle of a character
  return bytes.toString('utf8', 0, end);
}
