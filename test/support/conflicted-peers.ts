/** Peers in conflict, and replications with a conflict resolver. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Conflict, ConflictResolver, HawserError, Replicator } from '../../src/index.js';
import { contents, link, openPeer, sync, type LinkOptions, type Peer } from './peers.js';

export type Resolver = ConflictResolver<any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- documents of any shape
export type AnyConflict = Conflict<any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- documents of any shape

/** Two peers with documents in common that are then edited on both sides. */
export async function conflicted(
  context: TestContext,
  ids: readonly string[] = ['pump'],
): Promise<{ a: Peer; b: Peer }> {
  const a = await openPeer(context, 'a');
  const b = await openPeer(context, 'b');
  for (const id of ids) await a.metrics.save(id, { base: true });
  await sync(a, b);
  for (const id of ids) await a.metrics.save(id, { from: 'a' });
  for (const id of ids) await b.metrics.save(id, { from: 'b' });
  return { a, b };
}

export interface Run {
  readonly replicator: Replicator;
  /** `<ID> <code>` of each document that was pulled, or could not be. */
  readonly pulled: string[];
  readonly errors: HawserError[];
}

/** As {@link resolved}, not started yet. */
export function prepare(a: Peer, b: Peer, conflictResolver: Resolver, options: LinkOptions = {}): Run {
  const { replicator } = link(a, b, { collections: [{ collection: a.metrics, conflictResolver }], ...options });
  const run: Run = { replicator, pulled: [], errors: [] };
  replicator.on('documents', ({ isPush, documents }) => {
    for (const { id, error } of isPush ? [] : documents) {
      run.pulled.push(`${id} ${error?.code ?? 'ok'}`);
      if (error !== undefined) run.errors.push(error);
    }
  });
  return run;
}

/** A one-shot replication of `a` with `b`, with a resolver at `a`. */
export async function resolved(a: Peer, b: Peer, resolver: Resolver): Promise<Run> {
  const run = prepare(a, b, resolver);
  run.replicator.start();
  assert.equal(await run.replicator.stopped(), undefined);
  return run;
}

/** Passes if all peers are equal and have that body, or none, under `id`. */
export async function assertAll(peers: readonly Peer[], body: object | undefined, id = 'pump'): Promise<void> {
  for (const { metrics, name } of peers) assert.deepEqual((await metrics.get(id))?.body, body, name);
  const [first, ...others] = peers as [Peer, ...Peer[]];
  for (const other of others) assert.deepEqual(await contents(other.metrics), await contents(first.metrics));
}
