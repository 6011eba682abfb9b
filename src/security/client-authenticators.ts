/**
 * What a replicator shows to a listener to prove who it is.
 *
 * Invariant: no password, no session ID, and nothing from which one could be read, appears in an error, a log line,
 * `inspect` or JSON.
 */
import { inspect } from 'node:util';
import { fromUtf8, utf8 } from '../base/index.js';
import { HawserError } from '../errors.js';
import { checkKeyUsage } from './key-usage.js';
import { TLSIdentity } from './tls-identity.js';

/** Longest `Authorization` value that either end deals with, in bytes. */
export const MAX_AUTHORIZATION_LENGTH = 8192;

/** What goes to the peer once it is trusted; `identity` already while TLS is being set up, whose key stays here. */
export interface ClientCredentials {
  /** The value of an HTTP `Authorization` header. */
  readonly authorization?: string;
  /** One `name=value` for an HTTP `Cookie` header, beside the cookies that the application gave. */
  readonly cookie?: string;
  /** The certificate for a server that asks for one, over TLS. */
  readonly identity?: TLSIdentity;
}

/** Asked for every attempt to connect. */
export interface ClientAuthenticator {
  /** Secrets: only for a peer that is trusted. */
  credentials(): ClientCredentials;
}

/** User name and password (HTTP Basic, specification 1.4). */
export class BasicAuthenticator implements ClientAuthenticator {
  readonly username: string;
  readonly #password: string;

  /** @throws `ARGUMENT_INVALID` for text that HTTP Basic cannot carry (RFC 7617 2): a name with a colon, control characters. */
  constructor(username: string, password: string) {
    checkText('BasicAuthenticator', 'user name', username);
    checkText('BasicAuthenticator', 'password', password);
    if (username.includes(':')) {
      throw new HawserError('ARGUMENT_INVALID', 'BasicAuthenticator: the user name must not contain a colon');
    }
    this.username = username;
    this.#password = password;
    if (this.credentials().authorization.length > MAX_AUTHORIZATION_LENGTH) {
      throw new HawserError('ARGUMENT_INVALID', 'BasicAuthenticator: user name and password are too long');
    }
  }

  credentials(): { readonly authorization: string } {
    return {
      authorization: `Basic ${Buffer.from(`${this.username}:${this.#password}`, 'utf8').toString('base64')}`,
    };
  }

  toJSON(): object {
    return { username: this.username };
  }

  [inspect.custom](): string {
    return `BasicAuthenticator { username: ${inspect(this.username)} }`;
  }
}

/** A session that the application has opened with a server, sent as a cookie (specification 1.4). */
export class SessionAuthenticator implements ClientAuthenticator {
  readonly cookieName: string;
  readonly #sessionID: string;

  /** @throws `ARGUMENT_INVALID` for text that a cookie cannot carry (RFC 6265 4.1.1) */
  constructor(sessionID: string, cookieName = 'SyncGatewaySession') {
    checkText('SessionAuthenticator', 'session ID', sessionID);
    checkText('SessionAuthenticator', 'cookie name', cookieName);
    const refuse = (what: string): never => {
      throw new HawserError('ARGUMENT_INVALID', `SessionAuthenticator: ${what}`);
    };
    if (!COOKIE_NAME.test(cookieName)) refuse('the cookie name must be letters, digits and some of the signs of HTTP');
    if (!COOKIE_VALUE.test(sessionID)) {
      refuse('the session ID must be ASCII without spaces, quotes, commas, semicolons and backslashes');
    }
    if (cookieName.length + sessionID.length >= MAX_AUTHORIZATION_LENGTH)
      refuse('cookie name and session ID are too long');
    this.cookieName = cookieName;
    this.#sessionID = sessionID;
  }

  credentials(): { readonly cookie: string } {
    return { cookie: `${this.cookieName}=${this.#sessionID}` };
  }

  toJSON(): object {
    return { cookieName: this.cookieName };
  }

  [inspect.custom](): string {
    return `SessionAuthenticator { cookieName: ${inspect(this.cookieName)} }`;
  }
}

/**
 * A certificate, shown to a server that asks for one. Over a link without TLS nothing is shown: a listener that requires a
 * certificate is reached with TLS only.
 */
export class ClientCertificateAuthenticator implements ClientAuthenticator {
  readonly identity: TLSIdentity;

  /** @throws `ARGUMENT_INVALID` if it is no identity, `IDENTITY_UNSUITABLE` if its certificate is not for a client */
  constructor(identity: TLSIdentity) {
    if (!(identity instanceof TLSIdentity)) {
      throw new HawserError('ARGUMENT_INVALID', 'ClientCertificateAuthenticator: the identity must be a TLSIdentity');
    }
    checkKeyUsage(identity, 'clientAuth');
    this.identity = identity;
  }

  credentials(): { readonly identity: TLSIdentity } {
    return { identity: this.identity };
  }

  toJSON(): object {
    return { identity: this.identity.toJSON() };
  }

  [inspect.custom](): string {
    return `ClientCertificateAuthenticator { identity: ${inspect(this.identity)} }`;
  }
}

function checkText(where: string, what: string, text: unknown): void {
  // The value stays out of the message: it may be the password, put in the wrong place.
  if (typeof text !== 'string') {
    const given = text === null ? 'null' : text === undefined ? 'undefined' : `a value of type ${typeof text}`;
    throw new HawserError('ARGUMENT_INVALID', `${where}: the ${what} must be a string, not ${given}`);
  }
  if (text.search(CONTROL_CHARACTERS) >= 0 || fromUtf8(utf8(text)) !== text) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: the ${what} has characters that HTTP cannot carry`);
  }
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;
/** RFC 9110 5.6.2: a token. */
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const COOKIE_VALUE = /^[\u0021\u0023-\u002b\u002d-\u003a\u003c-\u005b\u005d-\u007e]+$/;
