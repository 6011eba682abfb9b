/**
 * The two messages of the handshake, for media without HTTP: what a peer asks for, and what it is answered. UTF-8 JSON of
 * 8 KiB at most; README.md has the fields. Unknown ones are ignored, so that later versions can say more.
 */
import { fromUtf8, utf8 } from '../../base/index.js';
import { MessagingError, type Message } from '../connection.js';

export interface HandshakeRequest {
  /** `/<database>/_blipsync`, percent-encoded as in a URL. */
  readonly path: string;
  /** The sub-protocols that the peer speaks, in its order of preference. */
  readonly protocols: readonly string[];
  /** What an `Authorization` header would hold. */
  readonly authorization?: string;
  /** What a `Cookie` header would hold. */
  readonly cookie?: string;
}

export type HandshakeReply =
  | { readonly status: 101; readonly protocol: string }
  /** A status of HTTP (specification 1.5), why, and in how many seconds it is worth trying again. */
  | { readonly status: number; readonly reason?: string; readonly retryAfter?: number };

/** A request or reply that is none. The message says which field is wrong; nothing of what it held is repeated. */
export class HandshakeError extends MessagingError {
  constructor(
    message: string,
    code: 'CONNECTION_PROTOCOL_ERROR' | 'CONNECTION_PROTOCOL_MISMATCH' = 'CONNECTION_PROTOCOL_ERROR',
  ) {
    super(code, message, { recoverable: false, closeCode: 1002 });
  }
}

/** @throws MessagingError `ARGUMENT_INVALID` for what does not fit */
export function encodeRequest({ path, protocols, authorization, cookie }: HandshakeRequest): Message {
  const message = utf8(JSON.stringify({ hawser: VERSION, path, protocols, authorization, cookie }));
  if (message.length <= MAX_HANDSHAKE_SIZE) return message;
  const text = `database name and credentials take ${message.length} bytes of a handshake; ${MAX_HANDSHAKE_SIZE} are allowed`;
  throw new MessagingError('ARGUMENT_INVALID', text, { recoverable: false });
}

/** @throws HandshakeError */
export function decodeRequest(message: Message): HandshakeRequest {
  const { hawser, path, protocols, authorization, cookie } = decode(message, 'the request');
  if (typeof hawser !== 'number') throw wrong('hawser', 'the version of the handshake, a number');
  if (hawser !== VERSION) {
    const text = `the handshake has version ${hawser}; version ${VERSION} is spoken here`;
    throw new HandshakeError(text, 'CONNECTION_PROTOCOL_MISMATCH');
  }
  if (typeof path !== 'string') throw wrong('path', 'text');
  if (!isTexts(protocols)) throw wrong('protocols', 'a list of texts');
  if (!isOptionalText(authorization)) throw wrong('authorization', 'text');
  if (!isOptionalText(cookie)) throw wrong('cookie', 'text');
  return {
    path,
    protocols,
    ...(authorization === undefined ? {} : { authorization }),
    ...(cookie === undefined ? {} : { cookie }),
  };
}

export function encodeReply(reply: HandshakeReply): Message {
  if (!('reason' in reply) || reply.reason === undefined) return utf8(JSON.stringify(reply));
  return utf8(JSON.stringify({ ...reply, reason: reply.reason.slice(0, MAX_REASON_LENGTH) }));
}

/** @throws HandshakeError */
export function decodeReply(message: Message): HandshakeReply {
  const { status, protocol, reason, retryAfter } = decode(message, 'the reply');
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599) {
    throw wrong('status', 'a status of HTTP');
  }
  if (status === 101) {
    if (typeof protocol !== 'string') throw wrong('protocol', 'text');
    return { status, protocol };
  }
  if (!isOptionalText(reason)) throw wrong('reason', 'text');
  if (retryAfter !== undefined && typeof retryAfter !== 'number') throw wrong('retryAfter', 'a number of seconds');
  return { status, ...(reason === undefined ? {} : { reason }), ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function decode(message: Message, what: string): Readonly<Record<string, unknown>> {
  if (message.length > MAX_HANDSHAKE_SIZE) {
    throw new HandshakeError(`${what} has ${message.length} bytes; ${MAX_HANDSHAKE_SIZE} are allowed`);
  }
  const value = parse(fromUtf8(message));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new HandshakeError(`${what} is not a handshake, which is a JSON object: is it switched on at both ends?`);
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}

function wrong(field: string, shouldBe: string): HandshakeError {
  return new HandshakeError(`the field "${field}" of the handshake must be ${shouldBe}`);
}

export const MAX_HANDSHAKE_SIZE = 8_192;
const VERSION = 1;
/** In JSON a character takes six bytes at most. */
const MAX_REASON_LENGTH = 1_000;
