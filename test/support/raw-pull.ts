/** An active session of ours that pulls from a raw peer, with everything that a user may configure of a collection. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock, type Clock } from '../../src/base/index.js';
import { Blob, loopbackPair, type Database, type HawserError } from '../../src/index.js';
import { ActiveSession } from '../../src/replicator/active-session.js';
import { NO_RULES, type CollectionRules } from '../../src/replicator/collection-configuration.js';
import type { DocumentOutcome } from '../../src/replicator/session-events.js';
import { cleanup } from './cleanup.js';
import { polite, storeOf } from './hostile.js';
import { memoryLogger } from './memory-logger.js';
import { openPeer, type Peer } from './peers.js';
import { RawBlipPeer, type RawHandler, type RawReply } from './raw-blip-peer.js';

export interface RawPullOptions {
  readonly peer?: Peer;
  readonly rules?: Partial<CollectionRules>;
  readonly autoPurge?: boolean;
  /** Announce that revisions are taken in batches. @default false */
  readonly batches?: boolean;
  readonly continuous?: boolean;
  readonly push?: boolean;
  readonly clock?: Clock;
  readonly handlers?: Readonly<Record<string, RawHandler>>;
}

export interface RawPull {
  /** Ours. */
  readonly peer: Peer;
  readonly raw: RawBlipPeer;
  readonly session: ActiveSession;
  readonly outcomes: DocumentOutcome[];
  /** Of the session; resolves to what it failed with. */
  readonly ended: Promise<HawserError | undefined>;
}

/** A session that has begun; `feed` sends what there is, after the answer to `subChanges`. */
export async function pullFromRaw(
  context: TestContext,
  feed: (raw: RawBlipPeer) => Promise<void> | void,
  options: RawPullOptions = {},
): Promise<RawPull> {
  const { peer = await openPeer(context, 'ours'), rules, handlers, clock = systemClock } = options;
  const feeding: Readonly<Record<string, RawHandler>> = {
    ...polite,
    subChanges: async (request, raw) => {
      raw.reply(request);
      await feed(raw);
    },
    ...handlers,
  };
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.b, (request, self) => {
    const handler = feeding[request.profile];
    return handler === undefined ? self.refuse(request, 'BLIP/404') : handler(request, self);
  });
  const outcomes: DocumentOutcome[] = [];
  const session = new ActiveSession({
    connection: pair.a,
    collections: [{ store: storeOf(peer.metrics), rules: { ...NO_RULES, ...rules } }],
    push: options.push ?? false,
    pull: true,
    continuous: options.continuous ?? false,
    autoPurge: options.autoPurge ?? true,
    remoteID: 'raw',
    batches: options.batches ?? false,
    connectTimeoutMs: 10_000,
    silenceMs: 600_000,
    reset: false,
    clock,
    logger: memoryLogger(),
    onConnected: () => undefined,
    onChange: () => undefined,
    onDocument: (outcome) => outcomes.push(outcome),
  });
  void raw.open().catch(() => undefined); // the session tells
  const timer = setTimeout(() => void raw.leave(), 60_000);
  const ended = session.run().then(
    () => undefined,
    (error: unknown) => error as HawserError,
  );
  cleanup(context, async () => {
    clearTimeout(timer);
    await session.stop();
    await ended;
    await raw.leave();
    assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
  });
  return { peer, raw, session, outcomes, ended };
}

export function announceTo(raw: RawBlipPeer, list: readonly unknown[]): Promise<RawReply> {
  return raw.request({ Profile: 'changes', collection: '0' }, JSON.stringify(list));
}

/** A `rev`; of document "d" where nothing else is said. */
export function revTo(
  raw: RawBlipPeer,
  properties: Readonly<Record<string, string>>,
  body: string | Uint8Array = '{"n":1}',
): Promise<RawReply> {
  return raw.request({ Profile: 'rev', collection: '0', id: 'd', sequence: '1', ...properties }, body);
}

export function endOfFeed(raw: RawBlipPeer): void {
  raw.notify({ Profile: 'changes', collection: '0' }, '[]');
}

/** `id flags code` of each event, in the order of the IDs. */
export function told(outcomes: readonly DocumentOutcome[]): string[] {
  return outcomes
    .map(({ documentID, flags, error }) => {
      const names = [flags.deleted ? 'deleted' : '', flags.accessRemoved ? 'accessRemoved' : ''];
      return [documentID, ...names.filter((name) => name !== ''), ...(error === undefined ? [] : [error.code])].join(
        ' ',
      );
    })
    .sort();
}

/** The bytes of a blob in a document of ours. */
export async function blobBytes(database: Database, dictionary: unknown): Promise<Buffer> {
  const blob = await database.getBlob(dictionary);
  assert(blob instanceof Blob, 'the blob is not here');
  return Buffer.from(await blob.content());
}
