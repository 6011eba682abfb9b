/**
 * Who a peer claims to be, and who may come in.
 *
 * Passwords travel as HTTP Basic (specification 1.4), over a link that TLS protects. Invariant: no password, and
 * nothing from which one could be read, appears in an error, a log line, `inspect` or JSON.
 */
import { inspect } from 'node:util';
import { consoleLogger, fromUtf8, utf8, type Logger } from '../base/index.js';
import { HawserError } from '../errors.js';

/** Longest `Authorization` value that either end deals with, in bytes. */
export const MAX_AUTHORIZATION_LENGTH = 8192;

/** What a replicator shows to a listener. */
export interface ClientAuthenticator {
  /** The value of an HTTP `Authorization` header. A secret: only for a peer that is trusted. */
  authorization(): string;
}

/** User name and password. */
export class BasicAuthenticator implements ClientAuthenticator {
  readonly username: string;
  readonly #password: string;

  /** @throws `ARGUMENT_INVALID` for text that HTTP Basic cannot carry (RFC 7617 2): a name with a colon, control characters. */
  constructor(username: string, password: string) {
    checkText('user name', username);
    checkText('password', password);
    if (username.includes(':')) {
      throw new HawserError('ARGUMENT_INVALID', 'BasicAuthenticator: the user name must not contain a colon');
    }
    this.username = username;
    this.#password = password;
    if (this.authorization().length > MAX_AUTHORIZATION_LENGTH) {
      throw new HawserError('ARGUMENT_INVALID', 'BasicAuthenticator: user name and password are too long');
    }
  }

  authorization(): string {
    return `Basic ${Buffer.from(`${this.username}:${this.#password}`, 'utf8').toString('base64')}`;
  }

  toJSON(): object {
    return { username: this.username };
  }

  [inspect.custom](): string {
    return `BasicAuthenticator { username: ${inspect(this.username)} }`;
  }
}

/** What became of a peer's credentials. `reason` may be told to the peer. */
export type Authentication =
  { readonly ok: true; readonly username: string } | { readonly ok: false; readonly reason: string };

/** Decides who may connect to a listener. One kind so far; `kind` lets others join. */
export type ListenerAuthenticator = ListenerPasswordAuthenticator;

/** Is this the password of that user? May ask a file or a server. Only `true` opens the door. */
export type PasswordCallback = (username: string, password: string) => boolean | Promise<boolean>;

/** Lets in whoever has a password that the callback accepts. */
export class ListenerPasswordAuthenticator {
  readonly kind = 'password';
  readonly #callback: PasswordCallback;

  constructor(callback: PasswordCallback) {
    if (typeof callback !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', 'ListenerPasswordAuthenticator: the callback must be a function');
    }
    this.#callback = callback;
  }

  /**
   * Judges the `Authorization` header of a request. Never rejects: a header that cannot be read is refused without
   * calling back, and a callback that throws refuses and is logged.
   */
  async authenticate(authorization: string | undefined, logger: Logger = consoleLogger()): Promise<Authentication> {
    if (authorization === undefined) return { ok: false, reason: 'user name and password are required' };
    const credentials = parseBasic(authorization);
    if (credentials === undefined) return { ok: false, reason: 'the Authorization header is not valid HTTP Basic' };
    const { username, password } = credentials;
    try {
      const accepted: unknown = await this.#callback(username, password);
      if (accepted === true) return { ok: true, username };
      if (accepted !== false) {
        logger.log(
          'error',
          'listener',
          `the password callback gave ${describe(accepted)} instead of a boolean: refused`,
        );
      }
    } catch (error) {
      const text = String(error instanceof Error ? error.message : error);
      const harmless = (password === '' ? text : text.replaceAll(password, '***')).replace(CONTROL_CHARACTERS, ' ');
      logger.log('error', 'listener', `the password callback failed, so the peer was refused: ${harmless}`);
    }
    return { ok: false, reason: 'user name or password is wrong' };
  }
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** RFC 7617: `Basic`, base64 of UTF-8, the first colon parts name and password. */
function parseBasic(authorization: string): Credentials | undefined {
  if (authorization.length > MAX_AUTHORIZATION_LENGTH) return undefined;
  const token = BASIC.exec(authorization)?.[1];
  if (token === undefined || token.length % 4 !== 0) return undefined; // Buffer.from would take anything
  const text = fromUtf8(Buffer.from(token, 'base64'));
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i;

function checkText(what: string, text: unknown): void {
  // The value stays out of the message: it may be the password, put in the wrong place.
  if (typeof text !== 'string') {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `BasicAuthenticator: the ${what} must be a string, not ${describe(text)}`,
    );
  }
  if (text.search(CONTROL_CHARACTERS) >= 0 || fromUtf8(utf8(text)) !== text) {
    throw new HawserError('ARGUMENT_INVALID', `BasicAuthenticator: the ${what} has characters that HTTP cannot carry`);
  }
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/g;

function describe(value: unknown): string {
  return value === null ? 'null' : value === undefined ? 'undefined' : `a value of type ${typeof value}`;
}
