/** What a peer may do with which collections: the answer of an application that was asked. */
import { checkOptions } from '../base/index.js';
import { Collection } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { PeerIdentity } from '../security/index.js';

/** The right to one collection. Neither `push` nor `pull`: the peer sees that it is there, and gets no further. */
export interface CollectionRight {
  /** One of the listener's. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a collection of any document type
  readonly collection: Collection<any>;
  /** The peer may send changes. @default false */
  readonly push?: boolean;
  /** The peer may ask for changes. @default false */
  readonly pull?: boolean;
}

/** All the rights of a peer. A collection that is not named does not exist for it; of an empty list nothing does. */
export type PeerAccess = readonly CollectionRight[];

/**
 * Asked once for each connection, after the peer has proved who it is. May ask a file or a server. A peer is turned away for
 * now (503) while it throws, or gives what is no list of rights.
 */
export type AuthorizePeer = (peer: PeerIdentity) => PeerAccess | Promise<PeerAccess>;

/** For a listener that makes no difference between its peers. */
export function everything(offered: readonly Collection<never>[]): PeerAccess {
  return offered.map((collection) => ({ collection: collection as unknown as Collection, push: true, pull: true }));
}

/**
 * A copy of what an application has answered. Throws `AUTHORIZATION_FAILED`, naming what is wrong with it: a right that is
 * misspelt must not become another.
 *
 * @param offered what the listener has
 */
export function checkAccess(access: unknown, offered: readonly Collection<never>[]): PeerAccess {
  if (!Array.isArray(access)) throw failed('it gave no list of rights');
  const rights = access.map((right: unknown) => checkRight(right, offered));
  if (new Set(rights.map(({ collection }) => collection)).size < rights.length) {
    throw failed('it named a collection twice');
  }
  return Object.freeze(rights);
}

function checkRight(right: unknown, offered: readonly Collection<never>[]): CollectionRight {
  if (typeof right !== 'object' || right === null) throw failed('a right must be an object with a collection');
  try {
    checkOptions('a right', right, ['collection', 'push', 'pull']);
  } catch (cause) {
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { collection, push = false, pull = false } = right as Record<string, unknown>;
  const own = offered.find((candidate) => isSame(candidate, collection));
  if (own === undefined) throw failed('it named what is no collection of this listener');
  if (typeof push !== 'boolean' || typeof pull !== 'boolean') throw failed('push and pull must be true or false');
  return Object.freeze({ collection: own as unknown as Collection, push, pull });
}

/** Two objects may stand for one collection. */
function isSame(own: Collection<never>, given: unknown): boolean {
  return given instanceof Collection && given.database === own.database && given.fullName === own.fullName;
}

function failed(what: string, cause?: unknown): HawserError {
  return new HawserError('AUTHORIZATION_FAILED', `the authorize callback failed: ${what}`, { cause });
}
