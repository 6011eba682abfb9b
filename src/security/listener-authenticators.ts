/**
 * Who may come in to a listener.
 *
 * Passwords travel as HTTP Basic (specification 1.4), over a link that TLS protects. Invariant: no password, and
 * nothing from which one could be read, appears in an error, a log line, `inspect` or JSON.
 */
import { X509Certificate } from 'node:crypto';
import { consoleLogger, fromUtf8, type Logger } from '../base/index.js';
import { HawserError } from '../errors.js';
import { MAX_AUTHORIZATION_LENGTH } from './client-authenticators.js';
import { SecretDigests } from './secret-digests.js';

/** What a peer has shown so far. */
export interface ShownCredentials {
  /** The value of its `Authorization` header. */
  readonly authorization?: string | undefined;
  /** Its certificate and those it sent along; TLS has proved that it holds the key of the first. */
  readonly chain?: readonly X509Certificate[] | undefined;
  /** OpenSSL's name for what is wrong with the chain, judged by {@link ListenerCertificateAuthenticator.roots}. */
  readonly chainError?: string | undefined;
}

/**
 * What became of a peer's credentials. `reason` may be told to the peer. 401: the password; 495 and 496 (as nginx has
 * them): the certificate is not accepted, or there is none.
 */
export type Authentication =
  | { readonly ok: true; readonly username?: string; readonly certificates?: readonly X509Certificate[] }
  | { readonly ok: false; readonly status: 401 | 495 | 496; readonly reason: string };

/** Decides who may connect to a listener. */
export type ListenerAuthenticator = ListenerPasswordAuthenticator | ListenerCertificateAuthenticator;

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
   * For a fixed list of users. How long an answer takes does not tell how much of a password was right, nor whether there is
   * such a user.
   *
   * @param users a password for each name
   * @throws `ARGUMENT_INVALID` without users, for an empty password (an option that was not filled in), for a name with a colon
   */
  static forUsers(users: Readonly<Record<string, string>>): ListenerPasswordAuthenticator {
    if (typeof users !== 'object' || users === null || Object.keys(users).length === 0) {
      throw new HawserError(
        'ARGUMENT_INVALID',
        'ListenerPasswordAuthenticator.forUsers: give a password for each name',
      );
    }
    const digests = new SecretDigests();
    const known = new Map(Object.entries(users).map(([name, password]) => [name, digestOf(digests, name, password)]));
    const nobody = digests.of('');
    return new ListenerPasswordAuthenticator((name, password) => {
      const isRight = digests.match(password, known.get(name) ?? nobody);
      return isRight && known.has(name);
    });
  }

  /** The name that a peer gives, if it can be read: nothing is proved by it. */
  claimOf({ authorization }: ShownCredentials): string | undefined {
    return authorization === undefined ? undefined : parseBasic(authorization)?.username;
  }

  /**
   * Judges the `Authorization` header of a request. Never rejects: a header that cannot be read is refused without
   * calling back, and a callback that throws refuses and is logged.
   */
  async authenticate({ authorization }: ShownCredentials, logger: Logger = consoleLogger()): Promise<Authentication> {
    if (authorization === undefined) return refused('user name and password are required');
    const credentials = parseBasic(authorization);
    if (credentials === undefined) return refused('the Authorization header is not valid HTTP Basic');
    const { username, password } = credentials;
    const accepted = await asked('password', () => this.#callback(username, password), logger, password);
    return accepted ? { ok: true, username } : refused('user name or password is wrong');
  }
}

/**
 * Judges the certificates of a client as it sent them: its own first, then those that lead from it to its root, as far as it
 * sent them. Only `true` opens the door.
 */
export type CertificateCallback = (certificates: readonly X509Certificate[]) => boolean | Promise<boolean>;

/**
 * Lets in whoever has a certificate that leads to one of the roots, or that the callback accepts; only over TLS.
 *
 * Roots are judged by OpenSSL, which looks at the dates of every certificate (by the clock of this device) and at what it is
 * for (a client's may be for clients). A callback has the whole responsibility: nothing but the possession of the key has been
 * checked before it, no date, no issuer.
 */
export class ListenerCertificateAuthenticator {
  readonly kind = 'certificate';
  /** Whom a certificate must lead to; `undefined` where a callback judges. */
  readonly roots: readonly X509Certificate[] | undefined;
  readonly #callback: CertificateCallback | undefined;

  /** @throws `ARGUMENT_INVALID` for what is neither a function nor a list of certificates with a self-signed one */
  constructor(rootsOrCallback: readonly X509Certificate[] | CertificateCallback) {
    this.roots = typeof rootsOrCallback === 'function' ? undefined : checkRoots(rootsOrCallback);
    this.#callback = typeof rootsOrCallback === 'function' ? rootsOrCallback : undefined;
  }

  /** The fingerprint of the certificate that a peer shows, if it shows one. */
  claimOf({ chain }: ShownCredentials): string | undefined {
    return chain?.[0]?.fingerprint256;
  }

  /** Judges the certificates that a peer has shown. Never rejects: a callback that throws refuses and is logged. */
  async authenticate(
    { chain = [], chainError }: ShownCredentials,
    logger: Logger = consoleLogger(),
  ): Promise<Authentication> {
    if (chain.length === 0) return { ok: false, status: 496, reason: 'a client certificate is required' };
    const certificates = Object.freeze([...chain]);
    const callback = this.#callback;
    const accepted =
      callback === undefined
        ? chainError === undefined
        : await asked('certificate', () => callback(certificates), logger);
    if (accepted) return { ok: true, certificates };
    return { ok: false, status: 495, reason: 'the client certificate is not accepted' };
  }
}

function checkRoots(roots: unknown): readonly X509Certificate[] {
  const where = 'ListenerCertificateAuthenticator:';
  if (!Array.isArray(roots) || roots.length === 0 || !roots.every((root) => root instanceof X509Certificate)) {
    throw new HawserError('ARGUMENT_INVALID', `${where} give the root certificates (X509Certificate), or a callback`);
  }
  const certificates = roots as readonly X509Certificate[];
  if (!certificates.some((certificate) => certificate.checkIssued(certificate))) {
    throw new HawserError('ARGUMENT_INVALID', `${where} none of the certificates is a root, which signs itself`);
  }
  return Object.freeze([...certificates]);
}

function digestOf(digests: SecretDigests, name: string, password: unknown): Buffer {
  const where = 'ListenerPasswordAuthenticator.forUsers:';
  if (name.includes(':')) throw new HawserError('ARGUMENT_INVALID', `${where} a user name must not contain a colon`);
  if (typeof password !== 'string' || password === '') {
    throw new HawserError('ARGUMENT_INVALID', `${where} the password of ${name} must be text that is not empty`);
  }
  return digests.of(password);
}

/** Whether the callback says `true`. One that fails, or says something else, is logged. */
async function asked(
  what: string,
  callback: () => boolean | Promise<boolean>,
  logger: Logger,
  secret = '',
): Promise<boolean> {
  try {
    const answer: unknown = await callback();
    if (typeof answer === 'boolean') return answer;
    logger.log('error', 'listener', `the ${what} callback gave ${describe(answer)} instead of a boolean: refused`);
  } catch (error) {
    const text = String(error instanceof Error ? error.message : error);
    const harmless = (secret === '' ? text : text.replaceAll(secret, '***')).replace(CONTROL_CHARACTERS, ' ');
    logger.log('error', 'listener', `the ${what} callback failed, so the peer was refused: ${harmless}`);
  }
  return false;
}

function refused(reason: string): Authentication {
  return { ok: false, status: 401, reason };
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

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/g;

function describe(value: unknown): string {
  return value === null ? 'null' : value === undefined ? 'undefined' : `a value of type ${typeof value}`;
}
