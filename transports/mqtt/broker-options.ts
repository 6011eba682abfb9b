/** How a broker is reached, and who we are to it: checked once, copied, and complete from then on. */
import { X509Certificate } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { inspect } from 'node:util';
import {
  checkInteger,
  checkKeyUsage,
  checkOptions,
  checkSeconds,
  HawserError,
  type TLSIdentity,
} from '../../src/index.js';
import { checkLevel } from './topics.js';

export interface BrokerOptions {
  /**
   * `mqtt://host`, `mqtts://host` over TLS, or `ws://host/path` and `wss://host/path` through a WebSocket; the port is 1883,
   * 8883, 80 or 443 unless given.
   */
  readonly url: string;
  readonly username?: string;
  /** A secret. Without TLS everybody on the way can read it. */
  readonly password?: string;
  /** Who this device is to the broker: 1 to 64 bytes, of which no two clients may have the same. */
  readonly clientId?: string;
  /**
   * The authorities that may vouch for the broker, as certificates or PEM text of one or more; also a self-signed
   * certificate of the broker itself. @default the roots of Node
   */
  readonly trustedCertificates?: X509Certificate | string | readonly (X509Certificate | string)[];
  /** The certificate to show to a broker that asks for one. */
  readonly identity?: TLSIdentity;
  /**
   * How often the broker is asked for a sign of life; it is given up, and gives us up, after half as long again without one.
   * In whole seconds; 0 for the default. @default 30
   */
  readonly keepAlive?: number;
  /** MQTT 5, or 3.1.1 as its number on the wire, 4. @default 5, and 4 for a broker that refuses 5 */
  readonly protocolVersion?: 4 | 5;
  /** How long connecting may take, TLS and log-in included. In seconds; 0 for the default. @default 15 */
  readonly connectTimeout?: number;
}

/** The options with their defaults. Its password and keys appear neither in `inspect` nor in JSON. */
export interface Broker {
  /** In the form of the URL standard, without the port where it is the default: the same for the same broker. */
  readonly url: string;
  /** Over TLS. */
  readonly secure: boolean;
  readonly webSocket: boolean;
  /** Without brackets around an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Of a WebSocket. */
  readonly path: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly clientId: string | undefined;
  readonly trustedCertificates: readonly X509Certificate[] | undefined;
  readonly identity: TLSIdentity | undefined;
  readonly keepAlive: number;
  readonly protocolVersion: 4 | 5 | undefined;
  readonly connectTimeout: number;
}

/**
 * The copy that is kept.
 * @param where whose option it is, for messages
 * @throws `ARGUMENT_INVALID`, `OPTION_UNKNOWN`, `IDENTITY_UNSUITABLE`
 */
export function checkBroker(where: string, broker: BrokerOptions | string): Broker {
  const options = typeof broker === 'string' ? { url: broker } : broker;
  if (options === undefined) throw new HawserError('ARGUMENT_INVALID', `${where} is required: the URL of a broker`);
  checkOptions(where, options, KNOWN_OPTIONS);
  const { username, password, clientId, identity, protocolVersion } = options;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `${where}: ${what}`);
  };
  const address = addressOf(where, options.url);
  checkText(`${where}: the username`, username);
  checkText(`${where}: the password`, password);
  check(password === undefined || username !== undefined, 'a password needs a username');
  if (clientId !== undefined) checkLevel(`${where}: the clientId`, clientId);
  check(identity === undefined || typeof identity?.certificatePem === 'function', 'identity must be a TLSIdentity');
  if (identity !== undefined) checkKeyUsage(identity, 'clientAuth');
  const isVersion = protocolVersion === undefined || protocolVersion === 4 || protocolVersion === 5;
  check(isVersion, 'protocolVersion must be 4 (MQTT 3.1.1) or 5');
  const trustedCertificates = certificatesOf(where, options.trustedCertificates);
  const needsTls = identity ?? trustedCertificates;
  check(needsTls === undefined || address.secure, `without TLS there are no certificates: use ${address.scheme}s:`);
  const { url, secure, webSocket, host, port, path } = address;
  return hidden({
    ...{ url, secure, webSocket, host, port, path, username, password, clientId, trustedCertificates, identity },
    keepAlive: checkInteger(`${where}: keepAlive`, options.keepAlive ?? 0, 0, MAX_KEEP_ALIVE) || DEFAULT_KEEP_ALIVE,
    protocolVersion,
    connectTimeout: checkSeconds(`${where}: connectTimeout`, options.connectTimeout) || DEFAULT_CONNECT_TIMEOUT,
  });
}

type Address = Pick<Broker, 'url' | 'secure' | 'webSocket' | 'host' | 'port' | 'path'> & { readonly scheme: string };

function addressOf(where: string, text: unknown): Address {
  // The text stays out of the messages: there may be a password in it.
  const refuse = (why: string): never => {
    throw new HawserError('ARGUMENT_INVALID', `${where}: ${why}`);
  };
  const parsed = typeof text === 'string' ? tryParse(text) : undefined;
  if (parsed === undefined) return refuse('this is not a URL; it should look like mqtts://host:8883');
  const { protocol, search, hash } = parsed;
  const scheme = protocol.slice(0, -1);
  const defaultPort = DEFAULT_PORTS.get(scheme);
  if (defaultPort === undefined) return refuse(`the scheme must be mqtt, mqtts, ws or wss, not ${scheme}`);
  if (parsed.username !== '' || parsed.password !== '') refuse('give username and password as options, not in the URL');
  if (search !== '' || hash !== '') refuse('the URL must have neither a query nor a fragment');
  const webSocket = scheme.startsWith('ws');
  const path = webSocket ? parsed.pathname : '';
  if (!webSocket && parsed.pathname !== '' && parsed.pathname !== '/') refuse('only a WebSocket has a path');
  // For mqtt: the URL standard leaves the host as it was written.
  const host = hostOf(parsed.hostname);
  if (host === '') refuse('the URL needs the name or the address of a host');
  if (parsed.port === '0') refuse('the port must not be 0');
  const port = parsed.port === '' ? defaultPort : Number(parsed.port);
  const authority = `${host.includes(':') ? `[${host}]` : host}${port === defaultPort ? '' : `:${port}`}`;
  const url = `${scheme}://${authority}${path === '/' ? '' : path}`;
  return { url, scheme, secure: scheme.endsWith('s') && scheme !== 'ws', webSocket, host, port, path };
}

function tryParse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function hostOf(hostname: string): string {
  const address = /^\[(.*)\]$/.exec(hostname)?.[1];
  if (address !== undefined) return address;
  try {
    return domainToASCII(decodeURIComponent(hostname));
  } catch {
    return '';
  }
}

function checkText(where: string, text: unknown): void {
  if (text === undefined) return;
  // The value stays out of the message: it may be the password, put in the wrong place.
  if (typeof text !== 'string') throw new HawserError('ARGUMENT_INVALID', `${where} must be a string`);
  const fits = text !== '' && Buffer.byteLength(text, 'utf8') <= MAX_TEXT_BYTES;
  if (!fits || text.includes('\0') || !text.isWellFormed()) {
    throw new HawserError('ARGUMENT_INVALID', `${where} must be 1 to ${MAX_TEXT_BYTES} bytes of UTF-8 without NUL`);
  }
}

function certificatesOf(where: string, given: BrokerOptions['trustedCertificates']): X509Certificate[] | undefined {
  if (given === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const certificates = list.flatMap((item) => (typeof item === 'string' ? readPem(item) : [item]));
  const areCertificates = (items: readonly unknown[]): items is X509Certificate[] =>
    items.every((item) => item instanceof X509Certificate);
  if (certificates.length === 0 || !areCertificates(certificates)) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `${where}: trustedCertificates must be certificates, or PEM text of them`,
    );
  }
  return certificates;
}

/** Empty for text that holds none; `undefined` in the place of one that cannot be read. */
function readPem(text: string): (X509Certificate | undefined)[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      return undefined;
    }
  });
}

function hidden(broker: Broker): Broker {
  const shown = { ...broker, ...(broker.password === undefined ? {} : { password: '***' }) };
  const value = (): object => shown;
  return Object.freeze(Object.defineProperties(broker, { toJSON: { value }, [inspect.custom]: { value } }));
}

const KNOWN_OPTIONS = [
  ...['url', 'username', 'password', 'clientId', 'trustedCertificates', 'identity', 'keepAlive', 'protocolVersion'],
  'connectTimeout',
];
const DEFAULT_PORTS = new Map(Object.entries({ mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 }));
const DEFAULT_KEEP_ALIVE = 30;
const DEFAULT_CONNECT_TIMEOUT = 15;
/** Two bytes on the wire, as the lengths of texts. */
const MAX_KEEP_ALIVE = 65_535;
const MAX_TEXT_BYTES = 65_535;
