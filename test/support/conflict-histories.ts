/** Random histories of one document on several peers, with resolvers that are the same on all of them, played to their end. */
import assert from 'node:assert/strict';
import { modelRun, pull, push, resolve, type Fields, type ModelResolver, type ModelRun } from './conflict-model.js';

/** The last three decide otherwise where the other side is the local one, or never find an end by themselves. */
export const RESOLVERS: Readonly<Record<string, ModelResolver>> = {
  default: undefined,
  'merge, deletion wins': (local, remote) => (local && remote ? merged(local, remote) : null),
  'merge, deletion loses': (local, remote) => merged(local ?? {}, remote ?? {}),
  'larger version field': (local, remote) => {
    if (!local || !remote) return local ?? remote ?? null;
    return compare(local, remote) >= 0 ? local : remote;
  },
  'smaller version field': (local, remote) => {
    if (!local || !remote) return null;
    return compare(local, remote) <= 0 ? local : remote;
  },
  delete: () => null,
  local: (local) => local ?? null,
  remote: (_local, remote) => remote ?? null,
  counting: (local, remote) => ({
    ...local,
    ...remote,
    merges: (local?.['merges'] ?? 0) + (remote?.['merges'] ?? 0) + 1,
  }),
};

function merged(a: Fields, b: Fields): Fields {
  const keys = [...Object.keys(a), ...Object.keys(b)];
  return Object.fromEntries(keys.map((key) => [key, Math.max(a[key] ?? 0, b[key] ?? 0)]));
}

function compare(a: Fields, b: Fields): number {
  const [x, y] = [JSON.stringify(Object.entries(a).sort()), JSON.stringify(Object.entries(b).sort())];
  return (a['version'] ?? 0) - (b['version'] ?? 0) || (x < y ? -1 : x > y ? 1 : 0);
}

/** Passes if the peers end equal and quiet after the history that `seed` stands for. */
export function converge(topology: string, size: number, seed: number, resolver: ModelResolver): void {
  const run = modelRun(topology, size, seed * 7 + size);
  const { peers, links, random } = run;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T;
  for (let step = 0; step < 80; step++) {
    const [active, passive] = pick(links);
    const chance = random.next();
    if (chance < 0.22) edit(run, step);
    else if (chance < 0.27) pick(peers).delete();
    else if (chance < 0.55) pull(active, passive, resolver);
    else if (chance < 0.8) resolve(pick(peers), resolver);
    else push(active, passive);
  }
  // Everybody in any order, until nothing moves any more.
  let state = '';
  let passes = 0;
  for (let quiet = 0; quiet < 2; passes++) {
    assert.ok(
      passes < 12 * size,
      `${topology} of ${size}, seed ${seed}: no end: ${peers.map((peer) => peer.visible).join(' | ')}`,
    );
    for (const [active, passive] of [...links].sort(() => random.next() - 0.5)) {
      pull(active, passive, resolver);
      while (resolve(active, resolver));
      push(active, passive);
    }
    const next = peers.map(({ row }) => `${row?.revisionID} ${row?.conflicts} ${row?.sequence}`).join();
    quiet = next === state ? quiet + 1 : 0;
    state = next;
  }
  const [first, ...others] = peers.map((peer) => peer.visible);
  others.forEach((other, index) =>
    assert.equal(other, first, `${topology} of ${size}, seed ${seed}: peer ${index + 1} differs from peer 0`),
  );
}

function edit({ peers, random }: ModelRun, step: number): void {
  const peer = peers[Math.floor(random.next() * peers.length)];
  if (peer === undefined) return;
  const key = random.next() < 0.5 ? `p${peer.number}` : 'version';
  peer.save({ ...peer.fields, [key]: 1 + (random.next() < 0.3 ? 0 : step) });
}
