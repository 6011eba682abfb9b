/**
 * Listeners and replicators on every medium that asks who is there, behind one small interface, so that one suite says what
 * users see on all of them: `wss` and `ws` on real sockets, `secure` (TLS) and `handshake` over messages, and those of
 * `link-media.ts`.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  deferred,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  type AuthorizePeer,
  type Clock,
  type Endpoint,
  type ErrorCode,
  type ListenerAuthenticator,
  type ListenerLimits,
  type ReplicatorOptions,
  type TLSIdentity,
} from '../../src/index.js';
import { URLEndpoint, URLEndpointListener } from '../../transports/websocket/index.js';
import { cleanup } from './cleanup.js';
import { mqtt, serial } from './link-media.js';
import { contents, type AnyCollection, type Peer } from './peers.js';
import { TcpRelay } from './tcp-relay.js';

export interface ServerOptions {
  /** @default the peer's metrics */
  readonly collections?: readonly AnyCollection[];
  readonly tlsIdentity?: TLSIdentity;
  readonly authenticator?: ListenerAuthenticator;
  readonly authorize?: AuthorizePeer;
  readonly limits?: ListenerLimits;
  readonly enableDeltaSync?: boolean;
  readonly clock?: Clock;
  /** Clients know it by the name of that one, which must have stopped. */
  readonly inPlaceOf?: Server;
}

/** A listener that is started; it stops with the test. */
export interface Server {
  readonly peer: Peer;
  readonly listener: Pick<MessageEndpointListener, 'on' | 'status'>;
  /** Of this server alone: one that comes in its place is given it. */
  readonly name: string;
  /** The end of what clients call it. */
  readonly knownAs: string;
  /** Whether it shows one to its clients. */
  readonly hasCertificate: boolean;
  /** @param database what to ask for @default the peer's */
  target(database?: string): Endpoint;
  stop(): Promise<void>;
  /** Breaks every connection as the medium would, without a farewell; it works again when this has resolved. */
  cut(): void | Promise<void>;
}

export interface Medium {
  readonly name: string;
  /** Why it cannot be tested here, or false. */
  readonly skip: string | false;
  listen(context: TestContext, peer: Peer, options?: ServerOptions): Promise<Server>;
}

/** What a replicator may be told but for its target. */
export type ClientOptions = Partial<Omit<ReplicatorOptions, 'target'>>;

export const wss = webSockets('wss');
export const ws = webSockets('ws');
export const secure = messages('secure', { tls: true });
export const handshake = messages('handshake', { handshake: true });
/** Those on which the server shows a certificate. */
export const SECURE_MEDIA: readonly Medium[] = [wss, secure, mqtt, serial];
/** Those on which a client can show a password. */
export const ALL_MEDIA: readonly Medium[] = [...SECURE_MEDIA, ws, handshake];

function webSockets(name: 'wss' | 'ws'): Medium {
  return {
    name,
    skip: false,
    async listen(context, peer, { inPlaceOf, ...options } = {}) {
      const listener = new URLEndpointListener({
        collections: [peer.metrics],
        networkInterface: '127.0.0.1',
        disableTLS: name === 'ws',
        port: Number(inPlaceOf?.name ?? 0),
        ...options,
      });
      cleanup(context, () => listener.stop());
      await listener.start();
      const relay = relays.get(String(listener.port)) ?? (await TcpRelay.start(listener.port));
      relays.set(String(listener.port), relay);
      cleanup(context, () => relay.close());
      return {
        peer,
        listener,
        name: String(listener.port),
        knownAs: `127.0.0.1:${relay.port}`,
        hasCertificate: name === 'wss',
        target: (database = peer.database.name) => new URLEndpoint(`${name}://127.0.0.1:${relay.port}/${database}`),
        stop: () => listener.stop(),
        cut: () => relay.cut(),
      };
    },
  };
}

function messages(name: string, layers: { readonly tls?: boolean; readonly handshake?: boolean }): Medium {
  const cuts: (() => void)[] = [];
  return {
    name,
    skip: false,
    async listen(context, peer, { inPlaceOf, ...options } = {}) {
      const listener = new MessageEndpointListener({
        collections: [peer.metrics],
        protocolType: 'messageStream',
        ...layers,
        ...options,
      });
      cleanup(context, () => listener.closeAll());
      const uid = inPlaceOf?.name ?? `radio ${++uids}`;
      const delegate = {
        createConnection: () => {
          const { a, b, cut } = loopbackPair();
          cuts.push(cut);
          listener.accept(b);
          return a;
        },
      };
      return {
        peer,
        listener,
        name: uid,
        knownAs: uid,
        hasCertificate: layers.tls === true,
        target: (database = peer.database.name) =>
          new MessageEndpoint(uid, undefined, 'messageStream', delegate, { ...layers, database }),
        stop: () => listener.closeAll(),
        cut: () => cuts.splice(0).forEach((cut) => cut()),
      };
    },
  };
}

let uids = 0;
/** Between clients and the port of a server, where a network can be cut. */
const relays = new Map<string, TcpRelay>();

/** A replicator of the client's metrics that is not started; stopped after the test. */
export function replicatorTo(
  context: TestContext,
  server: Server,
  client: Peer,
  options: ClientOptions = {},
): Replicator {
  const { pinnedServerCertificate: pin, ...others } = options;
  // Where there is no certificate a pin is refused, so that nobody believes to be protected by it.
  const trust = pin === undefined || !server.hasCertificate ? {} : { pinnedServerCertificate: pin };
  const target = server.target();
  const replicator = new Replicator({ collections: [client.metrics], ...others, ...trust, target });
  cleanup(context, () => replicator.stop());
  return replicator;
}

/** Both sides save a document and have both in the end. Resolves to the replicator, which has stopped. */
export async function assertSyncs(
  context: TestContext,
  server: Server,
  client: Peer,
  options: ClientOptions = {},
): Promise<Replicator> {
  for (const peer of [client, server.peer]) await peer.metrics.save(`${peer.name} ${++documents}`, {});
  const replicator = replicatorTo(context, server, client, options);
  replicator.start();
  await replicator.whenIdle();
  await replicator.stop();
  assert.equal(replicator.status.error, undefined);
  assert.deepEqual(await contents(client.metrics), await contents(server.peer.metrics));
  return replicator;
}

let documents = 0;

/**
 * The replicator stops with that error at the first attempt, whether it is continuous or not, and neither side gets anything.
 * Resolves to the last replicator.
 */
export async function assertRefused(
  context: TestContext,
  server: Server,
  client: Peer,
  options: ClientOptions,
  [code, number]: Refusal,
): Promise<Replicator> {
  for (const peer of [client, server.peer]) await peer.metrics.save(`${peer.name} ${++documents}`, {});
  const held = (): Promise<string[][]> => Promise.all([client, server.peer].map(({ metrics }) => contents(metrics)));
  const before = await held();
  const replicators = [false, true].map((continuous) =>
    replicatorTo(context, server, client, { ...options, continuous }),
  );
  for (const replicator of replicators) {
    const retries: unknown[] = [];
    replicator.on('status', ({ activity, error }) => {
      if (activity !== 'offline') return;
      retries.push(error);
      void replicator.stop(); // it would go on trying until the test's time is over
    });
    replicator.start();
    const error = await replicator.stopped();
    assert.deepEqual(retries, [], 'it is no use to try again');
    assert.deepEqual([error?.code, error?.number], [code, number], error?.message);
    assert.equal(replicator.status.activity, 'stopped');
    assert.deepEqual(await held(), before, 'nothing is transferred');
  }
  await untilNobody(server.listener);
  return replicators.at(-1) as Replicator;
}

/** Resolves when the last connection has ended, of which the listener may learn a little later than the client. */
async function untilNobody(listener: Server['listener']): Promise<void> {
  const gone = deferred();
  const look = (): void => {
    if (listener.status.connectionCount === 0) gone.resolve();
  };
  const off = listener.on('connection', look);
  look();
  await gone.promise;
  off();
}

export type Refusal = readonly [ErrorCode, number];

/** The outcomes of Couchbase Lite (where its platforms differ, those on iOS), by what users look up. */
export const REFUSALS = {
  untrusted: ['TLS_CERTIFICATE_UNTRUSTED', 5_011],
  changed: ['TLS_CERTIFICATE_CHANGED', 5_011],
  notSelfSigned: ['TLS_CERTIFICATE_NOT_SELF_SIGNED', 5_008],
  expired: ['TLS_CERTIFICATE_EXPIRED', 5_007],
  otherName: ['TLS_CERTIFICATE_NAME_MISMATCH', 5_015],
  clientCertificateMissing: ['TLS_CLIENT_CERTIFICATE_REQUIRED', 5_006],
  clientCertificateRejected: ['TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
  password: ['AUTHENTICATION_FAILED', 10_401],
  denied: ['ACCESS_DENIED', 10_403],
  noDatabase: ['REMOTE_DATABASE_NOT_FOUND', 10_404],
  noCollection: ['REMOTE_COLLECTION_NOT_FOUND', 10_404],
} as const satisfies Record<string, Refusal>;
