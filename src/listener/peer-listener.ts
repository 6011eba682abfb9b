/**
 * What every listener shares, whatever its medium: who may connect, to which database, and one passive session for each
 * connection. A transport's listener holds one, shows it each handshake, and hands it each connection.
 *
 * It opens no socket and knows no medium.
 */
import {
  checkInteger,
  checkOptions,
  checkSeconds,
  Emitter,
  type Clock,
  type Logger,
  type Unsubscribe,
} from '../base/index.js';
import { ReplicationStore, type Collection, type Database } from '../database/index.js';
import { MessagingError, type MessageEndpointConnection } from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import {
  asHawserError,
  checkCollections,
  PassiveSession,
  PROTOCOLS,
  type DocumentProblem,
} from '../replicator/index.js';
import type { ListenerAuthenticator } from '../security/index.js';

export interface PeerListenerOptions {
  /** What peers may replicate: one or more collections of one database. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- collections of any document type
  readonly collections: readonly Collection<any>[];
  /** Who may connect. @default everybody */
  readonly authenticator?: ListenerAuthenticator;
  /** Peers may pull but not push. @default false */
  readonly readOnly?: boolean;
  /** Send and take differences to what the other side has, instead of whole documents. @default false */
  readonly enableDeltaSync?: boolean;
  /** Connections at a time; the next is answered 503 and tries again later. @default 1,000 */
  readonly maxConnections?: number;
  /** Give up a peer that owes an answer and sends nothing for this long. In seconds; 0 for the default. @default 330 */
  readonly heartbeat?: number;
  /** @default the database's */
  readonly logger?: Logger;
  /** @default the database's */
  readonly clock?: Clock;
}

/** What a peer says of itself before it is let in. */
export interface PeerRequest {
  /** `/<database>/_blipsync`, percent-encoded as in a URL. */
  readonly path: string;
  /** The sub-protocols it offers, in its order of preference. */
  readonly protocols: readonly string[];
  /** The value of its `Authorization` header. */
  readonly authorization?: string | undefined;
}

/** The answer, in the words of HTTP: 101 and the sub-protocol chosen, or a status and a reason that may be told. */
export type Admission =
  | { readonly status: 101; readonly protocol: string; readonly username?: string }
  | { readonly status: 400 | 401 | 404 | 503; readonly reason: string };

export interface AcceptedPeer {
  /** For logs and listings: an address, a client's name, a device path. */
  readonly address?: string;
  readonly username?: string;
}

export interface ListenerStatus {
  readonly connectionCount: number;
  /** Those that are transferring something now. */
  readonly activeConnectionCount: number;
}

/** One peer, as a listener's events and listings show it. */
export interface PeerStatus extends AcceptedPeer {
  readonly activity: 'busy' | 'idle' | 'stopped';
  readonly progress: { readonly completed: number; readonly total: number };
  /** Why the connection ended, where it was not orderly. */
  readonly error: HawserError | undefined;
}

export interface ListenerEvents {
  /** A connection began, became busy or idle, or ended. */
  connection: PeerStatus & { readonly connection: MessageEndpointConnection };
  /** A document of a peer could not be taken, or one of ours not be given. */
  'document-problem': DocumentProblem;
  /** Trouble on this side, such as a full disk. Peers keep what could not be stored and offer it again. */
  error: HawserError;
}

interface Peer extends AcceptedPeer {
  readonly connection: MessageEndpointConnection;
  readonly session: PassiveSession;
  ended: Promise<void>;
  activity: PeerStatus['activity'];
}

export class PeerListener {
  readonly collections: readonly Collection<never>[];
  readonly database: Database;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly #options: PeerListenerOptions;
  readonly #maxConnections: number;
  readonly #emitter = new Emitter<ListenerEvents>();
  readonly #peers = new Set<Peer>();
  #removeUser: (() => void) | undefined;
  /** While deltas are on: what they can be made from is kept, for the peers that will come too. */
  #basesKept: (() => void)[] = [];
  #isStopped = false;

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`. */
  constructor(options: PeerListenerOptions) {
    checkOptions('listener', options, [
      'collections',
      'authenticator',
      'readOnly',
      'enableDeltaSync',
      'maxConnections',
      'heartbeat',
      'logger',
      'clock',
    ]);
    this.collections = checkCollections('listener', options.collections);
    this.database = (this.collections[0] as Collection<never>).database;
    this.logger = options.logger ?? this.database.logger;
    this.clock = options.clock ?? this.database.clock;
    checkKinds(options);
    this.#options = options;
    this.#maxConnections = checkInteger('maxConnections', options.maxConnections ?? 1_000, 1);
  }

  /** Judges a handshake. Never rejects. A path that names no database of ours is answered before any password is looked at. */
  async admit(request: PeerRequest): Promise<Admission> {
    if (databaseOfPath(request.path) !== this.database.name) {
      return { status: 404, reason: 'there is no such database' };
    }
    const protocol = request.protocols.find((offered) => PROTOCOLS.includes(offered));
    if (protocol === undefined) return { status: 400, reason: `no common protocol; I speak ${PROTOCOLS.join(', ')}` };
    if (this.#peers.size >= this.#maxConnections) return { status: 503, reason: 'too many connections' };
    const { authenticator } = this.#options;
    if (authenticator === undefined) return { status: 101, protocol };
    const result = await authenticator.authenticate(request.authorization, this.logger);
    return result.ok ? { status: 101, protocol, username: result.username } : { status: 401, reason: result.reason };
  }

  /** Opens a connection and serves it until it ends. One too many, or one that comes after `stop`, is closed instead. */
  accept(connection: MessageEndpointConnection, peer: AcceptedPeer = {}): void {
    const refusal = this.#isStopped
      ? stoppedError()
      : this.#peers.size >= this.#maxConnections
        ? fullError()
        : undefined;
    if (refusal !== undefined) {
      // Handshakes that were admitted together, or took until now.
      void connection.close(refusal).catch((error: unknown) => this.#report(error));
      return;
    }
    const session: PassiveSession = new PassiveSession({
      connection,
      collections: this.collections,
      readOnly: this.#options.readOnly ?? false,
      enableDeltaSync: this.#options.enableDeltaSync ?? false,
      silenceMs: (this.#options.heartbeat || DEFAULT_HEARTBEAT) * 1_000,
      clock: this.clock,
      logger: this.logger,
      onChange: () => this.#sessionChanged(entry),
      onDocument: ({ error, ...outcome }) => {
        if (error !== undefined) this.#emitter.emit('document-problem', { ...outcome, error });
      },
      onError: (error) => this.#report(error),
    });
    const entry: Peer = { ...peer, connection, session, ended: Promise.resolve(), activity: 'idle' };
    this.#peers.add(entry);
    this.#tell(entry, undefined);
    entry.ended = session.run().then((reason) => {
      this.#peers.delete(entry);
      entry.activity = 'stopped';
      this.#tell(entry, isOrdinaryEnd(reason) ? undefined : reason);
    });
  }

  get status(): ListenerStatus {
    const peers = [...this.#peers];
    return {
      connectionCount: peers.length,
      activeConnectionCount: peers.filter((peer) => peer.session.isBusy).length,
    };
  }

  /** The peers that are connected now. */
  get peers(): PeerStatus[] {
    return [...this.#peers].map((peer) => describe(peer, undefined));
  }

  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(event, listener);
  }

  /**
   * To be called before the first `accept`: makes the collections that do not exist yet, and ties the listener to its
   * database, which calls `stopTransport` before it closes. Throws `DATABASE_CLOSED`.
   */
  async start(stopTransport: () => Promise<void>): Promise<void> {
    this.#isStopped = false;
    this.#removeUser ??= this.database.addUser({ stop: stopTransport });
    for (const collection of this.collections) {
      await this.database.createCollection(collection.name, { scope: collection.scope });
    }
    if (this.#options.enableDeltaSync === true && this.#basesKept.length === 0) {
      this.#basesKept = this.collections.map((collection) => new ReplicationStore(collection).keepBodies());
    }
  }

  /**
   * Ends every connection, and unties the listener from its database. `start` may be called again. Rejects with
   * `DATABASE_IN_BATCH` inside a batch, which the writes of peers wait for.
   */
  async stop(error?: MessagingError): Promise<void> {
    this.database.checkNotInBatch('stopping a listener');
    this.#isStopped = true;
    await this.closeAll(error);
    for (const letGo of this.#basesKept.splice(0)) letGo();
    this.#removeUser?.();
    this.#removeUser = undefined;
  }

  /** Ends one connection; false if it is none of ours. */
  async close(connection: MessageEndpointConnection, error: MessagingError = stoppedError()): Promise<boolean> {
    const peer = [...this.#peers].find((candidate) => candidate.connection === connection);
    if (peer === undefined) return false;
    await peer.session.close(error);
    await peer.ended;
    return true;
  }

  /** Ends every connection, by default as a listener that stops (close code 1001). Resolves when none is left. */
  async closeAll(error: MessagingError = stoppedError()): Promise<void> {
    await Promise.all([...this.#peers].map((peer) => peer.session.close(error).then(() => peer.ended)));
  }

  #sessionChanged(peer: Peer): void {
    const activity = peer.session.isBusy ? 'busy' : 'idle';
    if (activity === peer.activity || peer.activity === 'stopped') return;
    peer.activity = activity;
    this.#tell(peer, undefined);
  }

  #tell(peer: Peer, error: HawserError | undefined): void {
    this.#emitter.emit('connection', { ...describe(peer, error), connection: peer.connection });
  }

  #report(error: unknown): void {
    const known = asHawserError(error);
    this.logger.log('error', 'listener', `${known.code}: ${known.message}`);
    this.#emitter.emit('error', known);
  }
}

/** What a wrong kind of value would quietly switch on. */
function checkKinds({ readOnly, enableDeltaSync, heartbeat }: PeerListenerOptions): void {
  for (const [name, value] of Object.entries({ readOnly, enableDeltaSync })) {
    if (value === undefined || typeof value === 'boolean') continue;
    throw new HawserError('ARGUMENT_INVALID', `listener: ${name} must be true or false`);
  }
  checkSeconds('listener: heartbeat', heartbeat);
}

/** A little more than the 300 s of a client. */
const DEFAULT_HEARTBEAT = 330;

/** The database that a path asks for; undefined where it is not of the form `/<database>/_blipsync`. */
function databaseOfPath(path: string): string | undefined {
  const name = /^\/([^/?#]+)\/_blipsync$/.exec(path)?.[1];
  if (name === undefined) return undefined;
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

function describe(peer: Peer, error: HawserError | undefined): PeerStatus {
  return {
    ...(peer.address === undefined ? {} : { address: peer.address }),
    ...(peer.username === undefined ? {} : { username: peer.username }),
    activity: peer.activity,
    progress: peer.session.progress,
    error,
  };
}

/** What a Couchbase Lite client expects of a listener that goes away. */
export function stoppedError(): MessagingError {
  return new MessagingError('LISTENER_STOPPED', 'the listener was stopped', { recoverable: true, closeCode: 1001 });
}

function fullError(): MessagingError {
  return new MessagingError('CONNECTION_UNAVAILABLE', 'too many connections', { recoverable: true });
}

/** A client that is done says goodbye, and so does one whose device shuts down. */
function isOrdinaryEnd(reason: MessagingError | undefined): boolean {
  return reason === undefined || reason.code === 'CONNECTION_CLOSED_BY_PEER' || reason.code === 'LISTENER_STOPPED';
}
