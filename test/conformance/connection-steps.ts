/** The steps that the cases of the connection suite are made of, and what they compare. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn, setTimeout as pass } from 'node:timers/promises';
import { MessagingError, type ErrorCode, type MessageEndpointConnection } from '../../src/index.js';
import type { ConnectionRecorder } from './connection-recorder.js';
import type { ConnectionPair, LinkEnd } from './connection-setup.js';

/** One opened end. */
export interface End {
  readonly connection: MessageEndpointConnection;
  readonly recorder: ConnectionRecorder;
}

export type Link = Record<LinkEnd, End>;

/** Opens both ends of a link. */
export async function openBoth(pair: ConnectionPair, makeRecorder: () => ConnectionRecorder): Promise<Link> {
  const near = makeRecorder();
  const far = makeRecorder();
  const opening = near.open(pair.near);
  const farEnd = await firstOf(pair.far, opening);
  await Promise.all([opening, far.open(farEnd)]);
  return { near: { connection: pair.near, recorder: near }, far: { connection: farEnd, recorder: far } };
}

/** Closes both ends, and checks what must hold at the end of every case. */
export async function closeBoth(link: Link): Promise<void> {
  await Promise.all([link.near.connection.close(), link.far.connection.close()]);
  await quiet();
  for (const [name, { recorder }] of Object.entries(link)) {
    assert.ok(recorder.closes.length <= 1, `the ${name} end reported its end ${recorder.closes.length} times`);
    assert.equal(recorder.tooEarly, 0, `the ${name} end delivered messages before open had resolved`);
  }
}

/** Closes a link of which at most the near end was opened. A far end that has not come into being may never do. */
export async function closeUnopened(pair: ConnectionPair): Promise<void> {
  await pair.near.close();
  if (pair.far instanceof Promise) void pair.far.then((far) => far.close()).catch(() => undefined);
  else await pair.far.close();
}

/** `far` when it comes; the failure of `opening` when it does not. */
export function firstOf(
  far: MessageEndpointConnection | Promise<MessageEndpointConnection>,
  opening: Promise<void>,
): Promise<MessageEndpointConnection> {
  const never = new Promise<never>(() => {});
  return Promise.race([Promise.resolve(far), opening.then(() => never)]);
}

/** Sends in order with a few calls outstanding, as the engine does. */
export async function sendAll(connection: MessageEndpointConnection, messages: readonly Uint8Array[]): Promise<void> {
  const outstanding: Promise<void>[] = [];
  for (const message of messages) {
    outstanding.push(connection.send(message));
    if (outstanding.length >= 4) await outstanding.shift();
  }
  await Promise.all(outstanding);
}

/**
 * Sends piece after piece until one is not accepted for `stallMs`; gives up above `limit`. Silence can only be seen by
 * waiting; a slow medium that is mistaken for a stalled one makes the case weaker, not flaky.
 */
export async function sendUntilBlocked(
  connection: MessageEndpointConnection,
  limit: number,
  stallMs: number,
): Promise<{ readonly accepted: number; readonly blocked: Promise<void> | undefined }> {
  let accepted = 0;
  while (accepted <= limit) {
    const sending = connection.send(pattern(PIECE, accepted / PIECE));
    const cancel = new AbortController();
    const stalled = pass(stallMs, 'stalled', { signal: cancel.signal }).catch(() => 'cancelled');
    const first = await Promise.race([sending.then(() => 'sent'), stalled]);
    cancel.abort();
    if (first === 'stalled') return { accepted, blocked: sending };
    accepted += PIECE;
  }
  return { accepted, blocked: undefined };
}

/** Lets everything run that is already due. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}

/** Recognisable bytes, different for every seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761) >>> 0;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export function assertSame(received: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  assert.equal(received.length, expected.length, 'number of messages');
  for (const [index, bytes] of expected.entries()) {
    const other = received[index];
    assert.ok(other instanceof Uint8Array, `message ${index} is no Uint8Array`);
    assert.equal(other.length, bytes.length, `length of message ${index}`);
    assert.ok(Buffer.compare(other, bytes) === 0, `message ${index} (${bytes.length} bytes) is not what was sent`);
  }
}

export function assertMessagingError(error: unknown): asserts error is MessagingError {
  assert.ok(error instanceof Error, `expected a MessagingError, not ${String(error)}`);
  assert.ok(
    'code' in error && 'recoverable' in error,
    `expected a MessagingError, not ${error.name}: ${error.message}`,
  );
}

export async function assertRejects(promise: Promise<unknown>, code?: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assertMessagingError(error);
    if (code !== undefined) assert.equal(error.code, code, error.message);
    return true;
  });
}

export function recoverableError(): MessagingError {
  return new MessagingError('CONNECTION_INTERRUPTED', 'come back later', { recoverable: true });
}

export function permanentError(): MessagingError {
  return new MessagingError('CONNECTION_FAILED', 'never come back', { recoverable: false });
}

/** What is in `after` more often than in `before`. */
export function additional(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before];
  return after.filter((resource) => {
    const index = rest.indexOf(resource);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

/** The size of the messages of `sendUntilBlocked`, in bytes. */
export const PIECE = 4_096;
