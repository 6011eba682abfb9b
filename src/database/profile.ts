/**
 * What a database takes of memory and flash, in one place: every figure that a profile chooses, for both, with its reason.
 * Whoever works on the database finds them here: its engine, its storage, and the replicators and listeners of its collections.
 * An explicit option goes before them.
 */
import { HawserError } from '../errors.js';
import { DEFAULT_STORAGE_SIZES, type StorageSizes } from '../storage/index.js';
import { shown } from './names.js';

/** Names of profiles, see {@link DatabaseOptions.profile}. */
export type ProfileName = 'default' | 'small';

export interface Profile {
  readonly storage: StorageSizes;
  /** Documents that may wait to be written, where `maxQueuedWrites` says nothing else. */
  readonly maxQueuedWrites: number;
  /** Characters of their bodies. */
  readonly maxQueuedLength: number;
  readonly replication: ReplicationSizes;
}

/** What shapes a session, with both kinds of peer. */
export interface ReplicationSizes {
  /** Log2 of what a compressor looks back on, where `compression` says nothing else. */
  readonly windowBits: number;
  /** Documents read from a feed at a time, and entries of a list that we ask a peer for. */
  readonly feedPage: number;
  /** Bytes of bodies read for one list: bounds a session's memory to a few times this. */
  readonly maxPageBytes: number;
  /** Revisions sent and not yet answered. */
  readonly maxRevsInFlight: number;
  /** The same in bytes. */
  readonly maxRevBytesInFlight: number;
  /** Accepted revisions that wait to be sent or answered, above which no more changes are read from disk. */
  readonly maxQueuedRevs: number;
  /** The same in bytes: it bounds the memory of a push, together with the lists that wait for their answer. */
  readonly maxQueuedRevBytes: number;
  /** Requested and not yet received revisions, above which a puller lets lists of changes wait for their answer. */
  readonly maxOutstandingRevs: number;
  /** Bytes of received revisions that wait to be committed, above which the connection is not read. */
  readonly maxInsertBacklog: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  default: {
    storage: DEFAULT_STORAGE_SIZES,
    // With a few hundred bytes each, some tens of megabytes.
    maxQueuedWrites: 100_000,
    maxQueuedLength: 64 * MIB,
    replication: {
      windowBits: 15,
      // Specification 3.15: what every peer is used to.
      feedPage: 200,
      maxPageBytes: 2 * MIB,
      // Enough to keep the receiver's group commits large.
      maxRevsInFlight: 400,
      // Specification 3.15.
      maxRevBytesInFlight: 2 * MIB,
      maxQueuedRevs: 1_000,
      maxQueuedRevBytes: 4 * MIB,
      maxOutstandingRevs: 800,
      maxInsertBacklog: 4 * MIB,
    },
  },
  small: {
    storage: {
      // A second one would take its own cache and, before it has read anything, 130 KiB for SQLite's small allocations.
      readers: 1,
      // Not smaller: a transaction that does not fit writes pages to the log before its end, and those that change again twice.
      writerCacheBytes: 1 * MIB,
      // The inner pages of the tables; a page of a feed is read once and not again.
      readerCacheBytes: 256 * KIB,
      // A quarter. Less would spare disk alone, and cost bytes written: the log takes no memory but 8 bytes a page.
      logBytes: 4 * MIB,
    },
    // A sensor that has this many readings unwritten has other troubles; about 8 MB of them.
    maxQueuedWrites: 10_000,
    maxQueuedLength: 8 * MIB,
    replication: {
      // 90 KiB less a connection. Small revisions become no larger: those they resemble are the last ones sent.
      windowBits: 13,
      feedPage: 100,
      maxPageBytes: 256 * KIB,
      // The receiver's commits have a quarter of the size: on a line or radio nobody notices, in a fast network it costs.
      maxRevsInFlight: 100,
      maxRevBytesInFlight: 256 * KIB,
      maxQueuedRevs: 200,
      maxQueuedRevBytes: 512 * KIB,
      maxOutstandingRevs: 200,
      maxInsertBacklog: 512 * KIB,
    },
  },
};

export function profileOf(name: ProfileName): Profile {
  return PROFILES[name];
}

/** Throws `ARGUMENT_INVALID` for what is no name of a profile. */
export function checkProfile(name: unknown): void {
  if (name === undefined || (typeof name === 'string' && Object.hasOwn(PROFILES, name))) return;
  const known = Object.keys(PROFILES).join(' or ');
  throw new HawserError('ARGUMENT_INVALID', `profile must be ${known}, not ${shown(name)}`);
}
