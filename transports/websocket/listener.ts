/**
 * Lets peers replicate with collections of this database over WebSocket, with TLS unless it is switched off.
 *
 * Who may connect and what a connection does is the engine's `PeerListener`; this is the server around it. Each start makes
 * everything anew, so a listener can be stopped and started as often as one likes.
 *
 * Invariant: a start that fails and a stop that has ended leave no socket, timer or handle behind.
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import { join } from 'node:path';
import {
  anonymousIdentity,
  Lifecycle,
  PeerListener,
  serverTlsOptions,
  type ListenerEvents,
  type ListenerStatus,
  type PeerStatus,
  type TLSIdentity,
  type Unsubscribe,
} from '../../src/index.js';
import { bind, closed } from './bind.js';
import { IdentityRenewal } from './identity-renewal.js';
import {
  checkListenerOptions,
  listenerConfiguration,
  type URLEndpointListenerConfiguration,
  type URLEndpointListenerOptions,
} from './listener-options.js';
import { addressesOf, hostsOf, urlHost, type Host } from './local-addresses.js';
import { loadWebSocketLibrary, type WebSocketLibrary } from './load-ws.js';
import { UnfinishedSockets } from './unfinished-sockets.js';
import { UpgradeRequests } from './upgrade-requests.js';

export class URLEndpointListener {
  /** A copy: changing what was passed in changes nothing. */
  readonly config: URLEndpointListenerConfiguration;
  readonly #peers: PeerListener;
  readonly #lifecycle = new Lifecycle<RunningServer>({
    start: () => this.#listen(),
    stop: (server) => this.#shut(server),
  });

  /**
   * @throws `OPTION_UNKNOWN`; `ARGUMENT_INVALID` for a wrong value, no collections, collections of two databases, or an
   *   authenticator of certificates without TLS; `IDENTITY_UNSUITABLE` for a certificate that is not for servers
   */
  constructor(options: URLEndpointListenerOptions) {
    checkListenerOptions(options);
    const { port: _port, networkInterface: _where, disableTLS: _plain, tlsIdentity: _identity, ...shared } = options;
    this.#peers = new PeerListener(shared);
    this.config = listenerConfiguration(options, this.#peers);
  }

  /**
   * Listens. Resolves at once if it does already.
   * @throws `LISTENER_PORT_IN_USE`, `LISTENER_PORT_DENIED`, `LISTENER_ADDRESS_UNAVAILABLE`; `IDENTITY_…` or `STORAGE_…` if the
   *   anonymous identity cannot be read or kept; `DATABASE_CLOSED`; `LISTENER_STOPPED` if it is stopped meanwhile
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /**
   * Closes every connection (peers are told that the listener goes away) and stops listening. Resolves when nothing is
   * left open. Idempotent; afterwards it can be started again.
   * @throws `DATABASE_IN_BATCH` inside a batch, which the writes of clients wait for
   */
  async stop(): Promise<void> {
    this.#peers.database.checkNotInBatch('URLEndpointListener.stop');
    await this.#lifecycle.stop();
  }

  /** The port it listens on; 0 when stopped. */
  get port(): number {
    return this.#lifecycle.running?.port ?? 0;
  }

  /** One for each address of the machine, or of the interface, that a URL can name; none when stopped. */
  get urls(): readonly string[] {
    const server = this.#lifecycle.running;
    if (server === undefined) return [];
    const scheme = this.config.disableTLS ? 'ws' : 'wss';
    const path = encodeURIComponent(this.#peers.database.name);
    return addressesOf(server.hosts, server.hasIPv6).map(
      (address) => `${scheme}://${urlHost(address)}:${server.port}/${path}`,
    );
  }

  /** The certificate that peers see; `undefined` when stopped and without TLS. An anonymous one is renewed before it ends. */
  get tlsIdentity(): TLSIdentity | undefined {
    return this.#lifecycle.running?.identity?.current;
  }

  /** How many connections there are, and how many of them are transferring something now. */
  get status(): ListenerStatus {
    return this.#peers.status;
  }

  /** The peers that are connected now. */
  get peers(): readonly PeerStatus[] {
    return this.#peers.peers;
  }

  /** Calls `listener` for every later event until the returned function is called. */
  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe {
    return this.#peers.on(event, listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(): Promise<RunningServer> {
    const { port, networkInterface } = this.config;
    const hosts = hostsOf(networkInterface);
    // From here on the database stops us before it closes.
    await this.#peers.start(() => this.stop());
    try {
      const identity = await this.#identity();
      const library = await loadWebSocketLibrary();
      const bound = await bind(() => this.#server(library, identity?.current), hosts, port);
      identity?.start((renewed) => this.#renewed(bound.servers, renewed));
      return { ...bound, hosts, identity };
    } catch (error) {
      await this.#peers.stop();
      throw error;
    }
  }

  async #identity(): Promise<IdentityRenewal | undefined> {
    const { disableTLS, tlsIdentity, clock, logger } = this.config;
    if (disableTLS) return undefined;
    const folder = join(this.#peers.database.path, IDENTITY_FOLDER);
    const find = tlsIdentity === undefined ? () => anonymousIdentity(folder, { clock, logger }) : undefined;
    const onError = (error: unknown): void => this.#peers.report(error);
    return new IdentityRenewal({
      current: tlsIdentity ?? ((await find?.()) as TLSIdentity),
      find,
      clock,
      logger,
      onError,
    });
  }

  #server(library: WebSocketLibrary, identity: TLSIdentity | undefined): HttpServer | HttpsServer {
    const { heartbeat, authenticator, clock, logger } = this.config;
    // Node's own time limits are off: a pending handshake has one for the whole way to the upgrade.
    const limits = {
      maxHeaderSize: MAX_HEADER_SIZE,
      requestTimeout: 0,
      headersTimeout: 0,
      handshakeTimeout: 2 ** 31 - 1,
    };
    const server =
      identity === undefined
        ? createHttpServer(limits)
        : createHttpsServer({ ...limits, ...serverTlsOptions(identity, authenticator) });
    const requests = new UpgradeRequests({
      library,
      peers: this.#peers,
      sockets: new UnfinishedSockets(this.#peers.handshakes),
      asksForCertificate: authenticator?.kind === 'certificate',
      heartbeatMs: heartbeat * 1_000,
      clock,
      logger,
    });
    requests.serve(server);
    return server;
  }

  /** Connections that there are keep the certificate that they began with. */
  #renewed(servers: readonly (HttpServer | HttpsServer)[], identity: TLSIdentity): void {
    for (const server of servers) {
      if (server instanceof HttpsServer) server.setSecureContext(serverTlsOptions(identity, this.config.authenticator));
    }
    this.#peers.renewed(identity);
  }

  async #shut({ servers, identity }: RunningServer): Promise<void> {
    identity?.stop();
    const emptied = servers.map(closed);
    await this.#peers.stop();
    await Promise.all(emptied);
  }
}

interface RunningServer {
  readonly servers: readonly (HttpServer | HttpsServer)[];
  readonly port: number;
  readonly hasIPv6: boolean;
  readonly hosts: readonly Host[];
  readonly identity: IdentityRenewal | undefined;
}

/** Room for the longest Authorization that is looked at, and for the rest. */
const MAX_HEADER_SIZE = 16_384;
const IDENTITY_FOLDER = 'tls';
