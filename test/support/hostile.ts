/** Our two sessions with a raw peer at the other end of the link: what tests of misbehaving peers begin with. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ReplicationStore } from '../../src/database/index.js';
import {
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  type DocumentProblem,
  type HawserError,
  type ReplicatorOptions,
} from '../../src/index.js';
import { cleanup } from './cleanup.js';
import { documentProblems } from './document-problems.js';
import { openPeer, type AnyCollection, type Peer } from './peers.js';
import { RawBlipPeer, type RawHandler, type RawRequest } from './raw-blip-peer.js';

/** A revision ID of generation `generation` that looks like one of Couchbase Lite's. */
export function revisionID(generation: number, letter = 'a'): string {
  return `${generation}-${letter.repeat(40)}`;
}

// Against our passive session.

export interface Served {
  /** Ours. */
  readonly peer: Peer;
  /** The active peer. */
  readonly raw: RawBlipPeer;
  readonly listener: MessageEndpointListener;
  readonly problems: DocumentProblem[];
  readonly errors: HawserError[];
}

/** A listener of ours that serves `metrics` (or what is given) and a raw client on it, before its first message. */
export async function serveRaw(
  context: TestContext,
  options: { readonly peer?: Peer; readonly readOnly?: boolean; readonly served?: readonly AnyCollection[] } = {},
): Promise<Served> {
  const peer = options.peer ?? (await openPeer(context, 'ours'));
  const collections = options.served ?? [peer.metrics];
  const { readOnly = false } = options;
  const listener = new MessageEndpointListener({ collections, readOnly, protocolType: 'messageStream' });
  const [problems, errors]: [DocumentProblem[], HawserError[]] = [[], []];
  listener.on('document-problem', (problem) => problems.push(problem));
  listener.on('error', (error) => errors.push(error));
  const raw = await connectRaw(context, listener);
  return { peer, raw, listener, problems, errors };
}

/** Ends a connection on which a test waits in vain, so that its waits fail; a loopback alone does not keep the process alive. */
function beImpatient(context: TestContext, raw: RawBlipPeer): void {
  const timer = setTimeout(() => void raw.leave(), 60_000);
  cleanup(context, () => clearTimeout(timer));
}

/** A raw client on a further connection. */
export async function connectRaw(context: TestContext, listener: MessageEndpointListener): Promise<RawBlipPeer> {
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.a);
  listener.accept(pair.b);
  await raw.open();
  beImpatient(context, raw);
  cleanup(context, async () => {
    await raw.leave();
    assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
  });
  return raw;
}

/** As {@link serveRaw}, with the collections settled: `metrics` is number 0. */
export async function serveCollections(
  context: TestContext,
  options: Parameters<typeof serveRaw>[1] = {},
): Promise<Served> {
  const served = await serveRaw(context, options);
  await getCollections(served.raw);
  return served;
}

export async function getCollections(raw: RawBlipPeer, names: readonly string[] = ['metrics']): Promise<void> {
  const ids = names.map((name) => `cp-${name}`);
  const reply = await raw.request(
    { Profile: 'getCollections' },
    JSON.stringify({ collections: names, checkpoint_ids: ids }),
  );
  assert.equal(reply.error, undefined, reply.text);
}

/** Fails unless the database is sound, and the connection still answers. */
export async function assertSound({ peer, raw }: Pick<Served, 'peer' | 'raw'>): Promise<void> {
  assert.deepEqual(await peer.database.integrityCheck(), []);
  const probe = await raw.request({ Profile: 'isAnybodyThere' });
  assert.equal(probe.error, 'BLIP/404');
}

// Against our active session.

/** What a well-behaved, empty passive peer answers; a test replaces what it is about. */
export const polite: Readonly<Record<string, RawHandler>> = {
  getCollections: (request, peer) => {
    const { collections } = JSON.parse(request.text) as { collections: string[] };
    peer.reply(request, JSON.stringify(collections.map(() => ({}))));
  },
  getCheckpoint: (request, peer) => peer.refuse(request, 'HTTP/404'),
  setCheckpoint: (request, peer) => {
    const generation = Number.parseInt(request.properties['rev'] || '0', 10) + 1;
    peer.reply(request, '', { rev: `${generation}-cc` });
  },
  subChanges: (request, peer) => {
    peer.reply(request);
    caughtUp(request, peer);
  },
  proposeChanges: (request, peer) => peer.reply(request, '[]'),
  rev: (request, peer) => peer.reply(request),
};

/** The empty `changes` for the collection of a message. */
export function caughtUp(request: RawRequest, peer: RawBlipPeer): void {
  peer.notify({ Profile: 'changes', ...collectionOf(request) }, '[]');
}

/** The properties that name the collection of a message. */
export function collectionOf(request: RawRequest): Record<string, string> {
  const { collection } = request.properties;
  return collection === undefined ? {} : { collection };
}

export interface RawServer {
  /** Ours. */
  readonly peer: Peer;
  readonly replicator: Replicator;
  /** The passive peer of each connection, the latest last. */
  readonly raws: RawBlipPeer[];
  readonly problems: DocumentProblem[];
}

/** A replicator of ours, not started, whose target is a raw peer with these handlers on every connection. */
export async function againstRaw(
  context: TestContext,
  handlers: Readonly<Record<string, RawHandler>>,
  options: Partial<Omit<ReplicatorOptions, 'target'>> & { readonly peer?: Peer } = {},
): Promise<RawServer> {
  const { peer = await openPeer(context, 'ours'), ...rest } = options;
  const raws: RawBlipPeer[] = [];
  const all = { ...polite, ...handlers };
  const target = new MessageEndpoint('raw', undefined, 'messageStream', {
    createConnection: () => {
      const pair = loopbackPair();
      const raw = new RawBlipPeer(pair.b, (request, self) => {
        const handler = all[request.profile];
        return handler === undefined
          ? self.refuse(request, 'BLIP/404', 'no handler for message')
          : handler(request, self);
      });
      raws.push(raw);
      beImpatient(context, raw);
      void raw.open().catch(() => undefined); // the test sees it by what the replicator says
      return pair.a;
    },
  });
  const replicator = new Replicator({ collections: [peer.metrics], maxAttempts: 1, ...rest, target });
  const problems = documentProblems(replicator);
  cleanup(context, async () => {
    await replicator.stop();
    for (const raw of raws) {
      await raw.leave();
      assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
    }
  });
  return { peer, replicator, raws, problems };
}

/** The checkpoint that the replicator has saved at the peer last; undefined if it has saved none. */
export function savedCheckpoint(raw: RawBlipPeer | undefined): Record<string, unknown> | undefined {
  const saves = raw?.requests.filter(({ profile }) => profile === 'setCheckpoint') ?? [];
  const last = saves.at(-1);
  if (last === undefined) return undefined;
  const { time: _time, ...checkpoint } = JSON.parse(last.text) as Record<string, unknown>;
  return checkpoint;
}

export function storeOf(collection: AnyCollection): ReplicationStore {
  return new ReplicationStore(collection as never);
}

/** Resolves when our active session has handled everything that the peer sent before. */
export async function settled(raw: RawBlipPeer): Promise<void> {
  for (let round = 0; round < 3; round++) await raw.request({ Profile: 'isAnybodyThere' });
}
