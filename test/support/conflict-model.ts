/**
 * Peers that hold one document in memory and exchange it step by step, through the engine's own decisions about revisions
 * and conflicts. Every step can be the last before a connection breaks, so any order of them is a history that can happen.
 */
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { remoteRevision, splitHistory } from '../../src/database/index.js';
import { resolutionOf } from '../../src/database/conflict-results.js';
import { isSettledAlone, resolveByDefault, settleConflict, defaultResolution } from '../../src/database/conflicts.js';
import type { CollectionEdits, DocumentContent } from '../../src/database/document-edits.js';
import { insertIncoming } from '../../src/database/incoming.js';
import { childOf, readConflicts, TOMBSTONE, withRemoteRevision, type NewBody } from '../../src/database/revisions.js';
import { judge } from '../../src/replicator/change-decisions.js';
import { branchesOf } from '../../src/replicator/known-branches.js';
import { decideConflict } from '../../src/replicator/push-conflicts.js';
import { contains, generationOf, possibleAncestors, formatHistory } from '../../src/revision/index.js';
import { revMessage } from '../../src/replicator/rev-message.js';
import type { StoredDocument } from '../../src/storage/index.js';

export type Fields = Record<string, number>;

/** What a custom resolver makes of two bodies, undefined for a deletion on either side. Undefined: the default rule. */
export type ModelResolver = ((local: Fields | undefined, remote: Fields | undefined) => Fields | null) | undefined;

const ID = 'doc';

export class ModelPeer implements CollectionEdits {
  readonly number: number;
  row: StoredDocument | undefined;
  #sequence = 0;

  constructor(number: number) {
    this.number = number;
  }

  get(): StoredDocument | undefined {
    return this.row;
  }

  put(content: DocumentContent): StoredDocument {
    this.row = { ...content, bases: null, sequence: ++this.#sequence };
    return this.row;
  }

  rewrite(document: StoredDocument): void {
    this.row = document;
  }

  purge(): void {
    this.row = undefined;
  }

  get fields(): Fields | undefined {
    return this.row === undefined || this.row.deleted ? undefined : (JSON.parse(this.row.body) as Fields);
  }

  save(fields: Fields): void {
    this.put(childOf(this.row, ID, bodyOf(fields)));
  }

  delete(): void {
    if (this.row !== undefined && !this.row.deleted) this.put(childOf(this.row, ID, TOMBSTONE));
  }

  /** What anybody can see; nothing for what is deleted. */
  get visible(): string {
    return this.row === undefined || this.row.deleted ? '' : `${this.row.revisionID} ${this.row.body}`;
  }
}

/** `keys` in their canonical order. */
export function bodyOf(fields: Fields): NewBody {
  const sorted = Object.keys(fields).sort();
  return {
    text: JSON.stringify(Object.fromEntries(sorted.map((key) => [key, fields[key]]))),
    deleted: false,
    hasBlobs: false,
  };
}

/** The active peer pulls what the passive one has now. */
export function pull(active: ModelPeer, passive: ModelPeer, resolver: ModelResolver): void {
  const [ours, theirs] = [active.row, passive.row];
  if (theirs === undefined || (ours === undefined && theirs.deleted)) return; // activeOnly
  const branches = branchesOf(ours);
  const isPresent = branches.some((branch) => contains(branch, theirs.revisionID));
  const known = possibleAncestors(branches, generationOf(theirs.revisionID));
  const history = isPresent
    ? ''
    : formatHistory(splitHistory(theirs.history), undefined, (id) => known.includes(id), theirs.revisionID);
  const { revisionID, deleted, body, hasBlobs } = theirs;
  const revision = { id: ID, revisionID, deleted, body, hasBlobs, history: splitHistory(history) };
  insertIncoming(active, revision, { remote: passive.number, resolve: resolver === undefined });
}

/** One conflict of a peer is settled, if it has any. */
export function resolve(peer: ModelPeer, resolver: ModelResolver): boolean {
  const document = peer.row;
  const branch = document === undefined ? undefined : readConflicts(document)[0];
  if (document === undefined || branch === undefined) return false;
  if (resolver === undefined) return resolveByDefault(peer, ID);
  let resolution: ReturnType<typeof resolutionOf>;
  if (isSettledAlone(document, branch)) {
    resolution = defaultResolution(document, branch);
  } else {
    const theirs = branch.deleted ? undefined : (JSON.parse(branch.body) as Fields);
    const result = resolver(peer.fields, theirs);
    resolution = resolutionOf({ document, branch }, result === null ? TOMBSTONE : bodyOf(result));
  }
  return settleConflict(peer, document, branch, resolution) === 'settled';
}

/** The active peer pushes what it has, if that is not what the passive one is known to have. */
export function push(active: ModelPeer, passive: ModelPeer): void {
  const document = active.row;
  if (document === undefined || document.conflicts !== null) return;
  let parentID = remoteRevision(document, passive.number);
  for (let attempt = 1; attempt <= 3 && parentID !== document.revisionID; attempt++) {
    const verdict = judge({ id: ID, revisionID: document.revisionID, parentID }, passive.row, true);
    if (verdict === 0) {
      if (!receive(passive, document, parentID)) return;
      return note(active, passive);
    }
    if (verdict === 304) return note(active, passive);
    const remoteID = passive.row?.revisionID;
    const recorded = remoteRevision(document, passive.number);
    const decision = decideConflict({ revisionID: document.revisionID, parentID, remoteID }, active.row, recorded);
    if (decision.kind !== 'propose') return;
    parentID = decision.parentID;
  }
}

function receive(passive: ModelPeer, document: StoredDocument, parentID: string | undefined): boolean {
  const message = revMessage(document, { text: document.body } as Parameters<typeof revMessage>[1], {
    collection: 0,
    known: parentID === undefined ? [] : [parentID],
    terms: { maxHistory: 50 } as Parameters<typeof revMessage>[2]['terms'],
    noConflicts: true,
  });
  const { revisionID, deleted, body, hasBlobs } = document;
  const history = splitHistory(message.properties['history'] ?? '');
  const { outcome } = insertIncoming(passive, { id: ID, revisionID, deleted, body, hasBlobs, history }, {});
  return outcome !== 'refused';
}

function note(active: ModelPeer, passive: ModelPeer): void {
  const { row } = active;
  if (row !== undefined)
    active.rewrite({ ...row, remotes: withRemoteRevision(row.remotes, passive.number, row.revisionID) });
}

export type Link = readonly [active: ModelPeer, passive: ModelPeer];

export interface ModelRun {
  readonly peers: readonly ModelPeer[];
  readonly links: readonly Link[];
  readonly random: RandomSource;
}

export const TOPOLOGIES: Readonly<Record<string, (peers: readonly ModelPeer[]) => Link[]>> = {
  star: ([hub, ...nodes]) => nodes.map((node) => [node, hub as ModelPeer] as const),
  ring: (peers) => peers.map((peer, index) => [peer, peers[(index + 1) % peers.length] as ModelPeer] as const),
  mesh: (peers) => peers.flatMap((peer, index) => peers.slice(index + 1).map((other) => [peer, other] as const)),
  'mesh in both directions': (peers) =>
    peers.flatMap((peer) => peers.filter((other) => other !== peer).map((other) => [peer, other] as const)),
};

export function modelRun(topology: string, size: number, seed: number): ModelRun {
  const peers = Array.from({ length: size }, (_, index) => new ModelPeer(index + 1));
  const make = TOPOLOGIES[topology];
  if (make === undefined) throw new Error(`there is no topology ${topology}`);
  return { peers, links: make(peers), random: seededRandom(seed) };
}
