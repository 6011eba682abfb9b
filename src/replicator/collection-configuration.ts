/** What of a collection is replicated, and how its conflicts are settled (Couchbase Lite's `CollectionConfiguration`). */
import { checkOptions } from '../base/index.js';
import {
  Collection,
  documentIDProblem,
  type ConflictResolver,
  type Document,
  type DocumentBody,
} from '../database/index.js';
import { HawserError } from '../errors.js';
import { MAX_JSON_BODY } from './tuning.js';

/** What is special about a revision that a filter sees or an event tells of. */
export interface DocumentFlags {
  /** It is a tombstone. */
  readonly deleted: boolean;
  /** The user lost access to it on the server. */
  readonly accessRemoved: boolean;
}

/**
 * Whether a revision is transferred. Called once for each; what it refuses counts as handled and is offered again only when
 * the document changes, or after a reset. If it fails, the document is reported with that error and the others go on.
 */
export type ReplicationFilter<T extends DocumentBody = DocumentBody> = (
  document: Document<T>,
  flags: DocumentFlags,
) => boolean | Promise<boolean>;

export interface CollectionConfiguration<T extends DocumentBody = DocumentBody> {
  readonly collection: Collection<T>;
  /** @default a deletion wins, then the higher generation, then the higher revision ID */
  readonly conflictResolver?: ConflictResolver<T>;
  /** Asked before a document is pushed. @default everything */
  readonly pushFilter?: ReplicationFilter<T>;
  /** Asked before a document that was pulled is stored. @default everything */
  readonly pullFilter?: ReplicationFilter<T>;
  /** Pull only what is in these channels of a Sync Gateway; other peers refuse the pull. @default all */
  readonly channels?: readonly string[];
  /** Replicate only these documents, in both directions. @default all */
  readonly documentIDs?: readonly string[];
}

/** A {@link CollectionConfiguration} as the parts of a session use it. */
export interface CollectionRules {
  readonly conflictResolver: ConflictResolver | undefined;
  readonly pushFilter: ReplicationFilter | undefined;
  readonly pullFilter: ReplicationFilter | undefined;
  readonly channels: readonly string[] | undefined;
  readonly documentIDs: ReadonlySet<string> | undefined;
}

/** Everything, and the default resolver: also what holds for a passive peer. */
export const NO_RULES: CollectionRules = {
  conflictResolver: undefined,
  pushFilter: undefined,
  pullFilter: undefined,
  channels: undefined,
  documentIDs: undefined,
};

/** A configuration of which nothing more has to be checked: the copy that a replicator keeps. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- collections of any document type
export type CheckedCollection = Readonly<CollectionConfiguration<any>>;

/** Copies what an application gave for one collection. Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN` that names the option. */
export function checkCollectionConfiguration(where: string, given: unknown): CheckedCollection {
  if (given instanceof Collection) return Object.freeze({ collection: given });
  if (typeof given !== 'object' || given === null || !('collection' in given)) {
    throw invalid(`${where}: collections must hold collections, or objects with a collection and its options`);
  }
  const { collection, ...rest } = given as Record<string, unknown>;
  if (!(collection instanceof Collection)) throw invalid(`${where}: collection must be a collection of a database`);
  const name = `${where}: collection "${collection.fullName}"`;
  checkOptions(name, given, KNOWN);
  for (const option of FUNCTIONS) {
    if (rest[option] !== undefined && typeof rest[option] !== 'function')
      throw invalid(`${name}: ${option} must be a function`);
  }
  const channels = checkTexts(`${name}: channels`, rest['channels'], (channel) =>
    channel === '' || channel.includes(',') ? 'must be text without a comma that is not empty' : undefined,
  );
  const documentIDs = checkTexts(`${name}: documentIDs`, rest['documentIDs'], documentIDProblem);
  return Object.freeze({
    ...(given as CheckedCollection),
    ...(channels === undefined ? {} : { channels }),
    ...(documentIDs === undefined ? {} : { documentIDs }),
  });
}

export function rulesOf({ collection: _, ...options }: CheckedCollection): CollectionRules {
  const { documentIDs, ...rest } = options;
  return { ...NO_RULES, ...rest, documentIDs: documentIDs === undefined ? undefined : new Set(documentIDs) };
}

/** A list of texts of which each one is right, copied. An empty one is refused: it could mean nothing or everything. */
function checkTexts(
  name: string,
  list: unknown,
  problem: (text: string) => string | undefined,
): readonly string[] | undefined {
  if (list === undefined) return undefined;
  if (!Array.isArray(list) || list.length === 0)
    throw invalid(`${name} must be a list of at least one; leave it out for all`);
  for (const entry of list as readonly unknown[]) {
    const why = typeof entry === 'string' ? problem(entry) : 'must be text';
    if (why !== undefined) throw invalid(`${name}: ${JSON.stringify(entry)} ${why}`);
  }
  if (JSON.stringify(list).length > MAX_JSON_BODY / 3) throw invalid(`${name} is longer than a peer has to read`);
  return Object.freeze([...(list as readonly string[])]);
}

function invalid(message: string): HawserError {
  return new HawserError('ARGUMENT_INVALID', message);
}

const FUNCTIONS = ['conflictResolver', 'pushFilter', 'pullFilter'] as const;
const KNOWN: readonly string[] = ['collection', ...FUNCTIONS, 'channels', 'documentIDs'];
