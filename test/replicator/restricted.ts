/** A raw client on a passive session of ours that may do only what a test allows, with every frame that it gets. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/index.js';
import { Collection } from '../../src/database/collection.js';
import { loopbackPair, type Message } from '../../src/index.js';
import { PassiveSession } from '../../src/replicator/passive-session.js';
import { cleanup } from '../support/cleanup.js';
import { storeOf } from '../support/hostile.js';
import { memoryLogger } from '../support/memory-logger.js';
import type { AnyCollection, Peer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';

/** What the peer may do with which collection: `rw`, `r`, `w`, or the empty text for nothing but to see it. */
export type Rights = readonly (readonly [AnyCollection, 'rw' | 'r' | 'w' | ''])[];

export class RecordingPeer extends RawBlipPeer {
  /** What arrived, in hexadecimal. */
  readonly frames: string[] = [];

  override receive(message: Message): void | Promise<void> {
    this.frames.push(Buffer.from(message).toString('hex'));
    return super.receive(message);
  }
}

/** Before its first message. */
export async function serveRestricted(
  context: TestContext,
  peer: Peer,
  rights: Rights,
  { enableDeltaSync = false }: { readonly enableDeltaSync?: boolean } = {},
): Promise<RecordingPeer> {
  if (enableDeltaSync) for (const [collection] of rights) cleanup(context, storeOf(collection).keepBodies());
  const pair = loopbackPair();
  const session = new PassiveSession({
    connection: pair.b,
    collections: [peer.metrics as unknown as Collection<never>],
    access: rights.map(([collection, right]) => ({
      collection: collection as unknown as Collection<never>,
      push: right.includes('w'),
      pull: right.includes('r'),
    })),
    enableDeltaSync,
    silenceMs: 60_000,
    clock: systemClock,
    logger: memoryLogger(),
  });
  const raw = new RecordingPeer(pair.a);
  const ended = session.run();
  await raw.open();
  const timer = setTimeout(() => void raw.leave(), 10_000); // a test that waits in vain is to fail
  cleanup(context, async () => {
    clearTimeout(timer);
    await raw.leave();
    await ended;
    assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
  });
  return raw;
}

/** Names of everything that is read from the database while the returned function has not been called. */
export function countReads(peer: Peer): () => string[] {
  const { storage } = Collection.internals(peer.metrics as unknown as Collection<never>).engine;
  const names: string[] = [];
  const reads = ['record', 'documents', 'feed'] as const;
  for (const name of reads) {
    const read = storage[name].bind(storage) as (...values: unknown[]) => unknown;
    Object.defineProperty(storage, name, {
      configurable: true,
      value: (...values: unknown[]) => {
        names.push(name);
        return read(...values);
      },
    });
  }
  return () => {
    for (const name of reads) Reflect.deleteProperty(storage, name);
    return names;
  };
}
