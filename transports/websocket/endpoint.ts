/** A listener somewhere on the network, by its URL. */
import {
  checkNothingToProve,
  HawserError,
  MessagingError,
  type ConnectOptions,
  type Endpoint,
  type MessageEndpointConnection,
} from '../../src/index.js';
import { WebSocketConnection, type UpgradedSocket } from './connection.js';
import { dial, type Address } from './dial.js';
import { upgrade } from './upgrade.js';

export class URLEndpoint implements Endpoint {
  /** As given, in the form of the URL standard. */
  readonly url: string;
  readonly remoteID: string;
  readonly #address: Address;

  /**
   * @param url `wss://host:port/database` or `ws://…`; the port is 443 or 80 unless given. The path may have more segments:
   *   the last one names the database
   * @throws `ARGUMENT_INVALID`
   */
  constructor(url: string | URL) {
    const parsed = parse(url);
    const path = parsed.pathname.replace(/\/$/, '');
    const refuse = (why: string): never => {
      throw new HawserError('ARGUMENT_INVALID', `URLEndpoint: ${why}`);
    };
    if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:')
      refuse(`the scheme must be ws or wss, not ${parsed.protocol}`);
    if (parsed.username !== '' || parsed.password !== '') {
      refuse('the URL must not hold a user name or password: give the replicator a BasicAuthenticator');
    }
    if (parsed.search !== '') refuse('the URL must not have a query');
    if (parsed.hash !== '') refuse('the URL must not have a fragment');
    if (path === '') refuse('the URL must end in the name of a database, as in wss://host:4984/database');
    if (path.includes('//')) refuse('the path of the URL has an empty segment');
    if (path.slice(path.lastIndexOf('/') + 1).startsWith('_')) {
      refuse(
        'the URL must end in the name of a database, which does not begin with "_" (/_blipsync is added by itself)',
      );
    }
    if (parsed.port === '0') refuse('the port must not be 0');

    const secure = parsed.protocol === 'wss:';
    this.url = `${parsed.protocol}//${parsed.host}${path}`;
    this.remoteID = `${this.url}/_blipsync`;
    this.#address = {
      secure,
      host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port),
    };
  }

  /** @throws MessagingError `ARGUMENT_INVALID` for a server that is to be recognised where nothing can prove who it is */
  createConnection(options: ConnectOptions): MessageEndpointConnection {
    if (!this.#address.secure) checkNothingToProve(this.url, options.trust);
    return new WebSocketConnection((signal) => this.#connect(options, signal), options);
  }

  async #connect(options: ConnectOptions, signal: AbortSignal): Promise<UpgradedSocket> {
    const { clock, connectTimeoutMs } = options;
    const limit = new AbortController();
    const timer = clock.setTimer(connectTimeoutMs, () => limit.abort(timeoutError(this.url, connectTimeoutMs)));
    const either = AbortSignal.any([signal, limit.signal]);
    try {
      const socket = await dial(this.#address, options, either);
      return { socket, webSocket: await upgrade(socket, this.remoteID, options, either) };
    } finally {
      timer.cancel();
    }
  }
}

function parse(url: string | URL): URL {
  try {
    return new URL(url);
  } catch {
    // The text stays out of the message: there may be a password in it.
    throw new HawserError(
      'ARGUMENT_INVALID',
      'URLEndpoint: this is not a URL; it should look like wss://host:4984/database',
    );
  }
}

function timeoutError(url: string, ms: number): MessagingError {
  return new MessagingError('CONNECTION_TIMEOUT', `${url}: the connection was not open after ${ms} ms`, {
    recoverable: true,
  });
}
