/** What most tests of connections do: drain one, feed another, look at what came out. */
import assert from 'node:assert/strict';
import type {
  BlipConnection,
  BlipEvent,
  IncomingRequest,
  IncomingResponse,
  MessageProperties,
} from '../../src/blip/index.js';
import { isHawserError, type ErrorCode } from '../../src/errors.js';

/** Every frame that the connection has to send now. */
export function drain(connection: BlipConnection): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = connection.pollFrame(); frame; frame = connection.pollFrame()) frames.push(frame);
  return frames;
}

/** Moves frames both ways until neither has any; returns what each received. */
export function exchange(a: BlipConnection, b: BlipConnection): { a: BlipEvent[]; b: BlipEvent[] } {
  const events = { a: [] as BlipEvent[], b: [] as BlipEvent[] };
  for (let busy = true; busy;) {
    const fromA = drain(a);
    for (const frame of fromA) events.b.push(...b.receive(frame));
    const fromB = drain(b);
    for (const frame of fromB) events.a.push(...a.receive(frame));
    busy = fromA.length + fromB.length > 0;
  }
  return events;
}

export function feed(connection: BlipConnection, frames: readonly Uint8Array[]): BlipEvent[] {
  return frames.flatMap((frame) => connection.receive(frame));
}

/** The one event there is, a request. */
export function onlyRequest(events: readonly BlipEvent[]): IncomingRequest {
  const [event] = events;
  assert.equal(events.length, 1);
  assert(event?.type === 'request');
  return event.request;
}

/** The one event there is, a response. */
export function onlyResponse(events: readonly BlipEvent[]): IncomingResponse {
  const [event] = events;
  assert.equal(events.length, 1);
  assert(event?.type === 'response');
  return event.response;
}

/** The message of an event, which is none of a stream. */
export function messageOf(event: BlipEvent): IncomingRequest | IncomingResponse {
  if (event.type === 'request') return event.request;
  assert(event.type === 'response');
  return event.response;
}

export function record(properties: MessageProperties): Record<string, string> {
  return Object.fromEntries(properties.entries());
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** Runs `action`, which must throw a HawserError with this code. Returns its message. */
export function throwsCode(code: ErrorCode, action: () => unknown): string {
  let message = '';
  assert.throws(action, (error) => {
    assert(isHawserError(error), String(error));
    assert.equal(error.code, code, error.message);
    message = error.message;
    return true;
  });
  return message;
}

/** Feeds a frame that ends the connection with this code, and checks that it has ended. */
export function diesOf(code: ErrorCode, connection: BlipConnection, frame: Uint8Array): string {
  const message = throwsCode(code, () => connection.receive(frame));
  throwsCode('BLIP_CLOSED', () => connection.receive(frame));
  throwsCode('BLIP_CLOSED', () => connection.sendRequest({ properties: {} }));
  assert.equal(connection.pollFrame(), undefined);
  assert.equal(connection.queuedBytes, 0);
  return message;
}
