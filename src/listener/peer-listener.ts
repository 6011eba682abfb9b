/**
 * What every listener shares, whatever its medium: who may connect, to which database, and one passive session for each
 * connection. A transport's listener holds one, shows it each handshake, and hands it each connection.
 *
 * It opens no socket and knows no medium.
 */
import { Emitter, oneLineLogger, type Clock, type Logger, type Unsubscribe } from '../base/index.js';
import { checkCompression, type BlipOptions } from '../blip/index.js';
import { ReplicationStore, type Collection, type Database } from '../database/index.js';
import { MessagingError, type MessageEndpointConnection } from '../endpoint/index.js';
import type { HawserError } from '../errors.js';
import {
  asHawserError,
  BufferBudget,
  checkCollections,
  PassiveSession,
  type CollectionAccess,
} from '../replicator/index.js';
import type { PeerIdentity, TLSIdentity } from '../security/index.js';
import { addressGroup } from './address-group.js';
import type { AcceptedPeer, Admission, PeerRequest } from './admission.js';
import { Doorkeeper } from './doorkeeper.js';
import { LimitedLog } from './limited-log.js';
import type { ListenerEvents, ListenerStatus, PeerStatus } from './listener-events.js';
import { checkLimits, messageLimits, type ListenerLimits } from './listener-limits.js';
import { everything, type PeerAccess } from './peer-access.js';
import { checkPeerListenerOptions, type PeerListenerOptions } from './peer-listener-options.js';
import { PendingHandshakes } from './pending-handshakes.js';

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
  readonly limits: Required<ListenerLimits>;
  /** Those on their way: one for all media of this listener. */
  readonly handshakes: PendingHandshakes;
  readonly #options: PeerListenerOptions;
  readonly #compression: BlipOptions;
  readonly #doorkeeper: Doorkeeper;
  readonly #budget: BufferBudget;
  readonly #refusals: LimitedLog;
  readonly #troubles: LimitedLog;
  /** What sessions warn of, such as a peer that breaks the rules. Apart, so that no peer can push our own trouble out. */
  readonly #warnings: LimitedLog;
  readonly #emitter = new Emitter<ListenerEvents>();
  readonly #peers = new Set<Peer>();
  #removeUser: (() => void) | undefined;
  /** While deltas are on: what they can be made from is kept, for the peers that will come too. */
  #basesKept: (() => void)[] = [];
  #isStopped = false;

  /** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN`. */
  constructor(options: PeerListenerOptions) {
    checkPeerListenerOptions(options);
    this.collections = checkCollections('listener', options.collections);
    this.database = (this.collections[0] as Collection<never>).database;
    this.logger = oneLineLogger(options.logger ?? this.database.logger);
    this.clock = options.clock ?? this.database.clock;
    this.#options = options;
    this.limits = checkLimits('listener', options.limits);
    this.#compression = checkCompression('listener', options.compression, this.database.replicationSizes);
    const { clock, logger, limits } = this;
    this.#refusals = new LimitedLog({ clock, logger, title: 'connections refused' });
    this.#troubles = new LimitedLog({ clock, logger, title: 'errors' });
    this.#warnings = new LimitedLog({ clock, logger, title: 'warnings about peers' });
    this.#budget = new BufferBudget(limits.maxTotalBufferedBytes);
    this.handshakes = new PendingHandshakes({
      clock,
      timeoutMs: limits.handshakeTimeout * 1_000,
      maxTotal: limits.maxHandshakes,
      maxPerAddress: limits.maxHandshakesPerAddress,
      onRefused: (address, error) => this.refused(address, error),
    });
    this.#doorkeeper = new Doorkeeper({
      collections: this.collections,
      authenticator: options.authenticator,
      authorize: options.authorize,
      limits,
      clock,
      logger: { log: (level, _domain, message) => this.#troubles.line(level, 'of a callback', message) },
      crowded: (address) => this.#crowded(address),
      onError: (error) => this.report(error),
    });
  }

  /**
   * Judges a handshake. Never rejects. A path that names no database of ours is answered before any password is looked at. What
   * is refused is told by the medium, which knows how it ends: `PendingHandshake.refuse(admission.error)`.
   */
  admit(request: PeerRequest): Promise<Admission> {
    return this.#doorkeeper.admit(request);
  }

  /**
   * What a peer may do. For media without a handshake; `admit` asks it by itself. Rejects with `AUTHORIZATION_FAILED`, which has
   * been told as an `error`; the deadline for it is the medium's.
   */
  accessOf(identity: PeerIdentity): Promise<PeerAccess> {
    return this.#doorkeeper.accessOf(identity);
  }

  /** Opens a connection and serves it until it ends. One too many, or one that comes after `stop`, is closed instead. */
  accept(connection: MessageEndpointConnection, peer: AcceptedPeer = {}): void {
    const crowded = this.#crowded(peer.address);
    if (this.#isStopped || crowded !== undefined) {
      // Handshakes that were admitted together, or took until now.
      const reason = this.#isStopped || crowded === undefined ? stoppedError() : fullError(crowded);
      this.refused(peer.address, reason);
      void connection.close(reason).catch((error: unknown) => this.report(error));
      return;
    }
    const session: PassiveSession = new PassiveSession({
      connection,
      blip: { ...messageLimits(this.limits), ...this.#compression },
      shareBuffers: (giveUp) => this.#budget.share(giveUp, addressGroup(peer.address)),
      collections: this.collections,
      access: this.#effective(peer.access),
      enableDeltaSync: this.#options.enableDeltaSync ?? false,
      silenceMs: (this.#options.heartbeat || DEFAULT_HEARTBEAT) * 1_000,
      clock: this.clock,
      logger: { log: (level, _domain, message) => this.#warnings.line(level, 'of a session', message) },
      onChange: () => this.#sessionChanged(entry),
      onDocument: ({ error, ...outcome }) => {
        if (error !== undefined) this.#emitter.emit('document-problem', { ...outcome, error });
      },
      onError: (error) => this.report(error),
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

  /** Somebody was not let in. For media: `handshakes` tells of those that it knows by itself. Cheap, however often it is called. */
  refused(address: string | undefined, error: HawserError): void {
    this.#emitter.emit('refused', { ...(address === undefined ? {} : { address }), error });
    const from = address?.slice(0, MAX_ADDRESS_LENGTH) ?? 'an unknown address'; // a stranger may have chosen it
    this.#refusals.line('info', error.code, `a connection from ${from} was refused: ${error.code}`);
  }

  /** Trouble on this side: logged, and told as an `error`. */
  report(error: unknown): void {
    const known = asHawserError(error);
    this.#troubles.line('error', known.code, `${known.code}: ${known.message}`);
    this.#emitter.emit('error', known);
  }

  /** The certificate of the medium was renewed. */
  renewed(identity: TLSIdentity): void {
    this.#emitter.emit('identity', identity);
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
    this.handshakes.abandonAll(stoppedError());
    await this.closeAll(error);
    this.#refusals.flush();
    this.#troubles.flush();
    this.#warnings.flush();
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

  /** Why no more connections are taken from there now. */
  #crowded(address: string | undefined): string | undefined {
    if (this.#peers.size >= this.limits.maxConnections) return 'too many connections';
    const group = addressGroup(address);
    if (group === undefined) return undefined;
    const same = [...this.#peers].filter((peer) => addressGroup(peer.address) === group).length;
    return same >= this.limits.maxConnectionsPerAddress ? 'too many connections from one address' : undefined;
  }

  /** What the session is to allow: `readOnly` takes the right to push from everybody. */
  #effective(access: PeerAccess | undefined): CollectionAccess[] {
    const { readOnly = false } = this.#options;
    return (access ?? everything(this.collections)).map(({ collection, push = false, pull = false }) => ({
      collection: collection as unknown as Collection<never>,
      push: push && !readOnly,
      pull,
    }));
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
}

/** A little more than the 300 s of a client. */
const DEFAULT_HEARTBEAT = 330;
const MAX_ADDRESS_LENGTH = 64;

function describe(peer: Peer, error: HawserError | undefined): PeerStatus {
  return {
    ...(peer.address === undefined ? {} : { address: peer.address }),
    ...(peer.username === undefined ? {} : { username: peer.username }),
    ...(peer.certificates === undefined ? {} : { certificates: peer.certificates }),
    activity: peer.activity,
    progress: peer.session.progress,
    error,
  };
}

/** What a Couchbase Lite client expects of a listener that goes away. */
export function stoppedError(): MessagingError {
  return new MessagingError('LISTENER_STOPPED', 'the listener was stopped', { recoverable: true, closeCode: 1001 });
}

function fullError(why: string): MessagingError {
  return new MessagingError('LISTENER_BUSY', why, { recoverable: true });
}

/** A client that is done says goodbye, and so does one whose device shuts down. */
function isOrdinaryEnd(reason: MessagingError | undefined): boolean {
  return reason === undefined || reason.code === 'CONNECTION_CLOSED_BY_PEER' || reason.code === 'LISTENER_STOPPED';
}
