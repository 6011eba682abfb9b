/** The request for a feed, as an active peer makes it (specification 3.6): written and read. Pure. */
import { utf8 } from '../base/index.js';
import type { IncomingRequest, OutgoingMessage, RemoteError } from '../blip/index.js';
import { parseJsonBody } from './change-entries.js';
import type { CollectionRules } from './collection-configuration.js';
import { collectionProperty, type CollectionIndex } from './collection-index.js';
import { reply } from './remote-errors.js';
import { TAKES_BATCHES } from './rev-batch.js';
import { MAX_JSON_BODY } from './tuning.js';

/** What a peer wants to be fed. */
export interface FeedTerms {
  /** After this sequence of ours. */
  readonly since: number;
  readonly continuous: boolean;
  /** Without the tombstones of the backlog. */
  readonly activeOnly: boolean;
  /** Only these documents; undefined for all. */
  readonly documentIDs: ReadonlySet<string> | undefined;
  readonly sendReplacementRevs: boolean;
  /** It takes many small revisions in one message (`rev-batch.ts`). */
  readonly takesBatches: boolean;
}

/** What we want to be fed. */
export interface WantedFeed {
  readonly collection: CollectionIndex;
  readonly continuous: boolean;
  /** The position of the checkpoint, as JSON text. */
  readonly since: string | undefined;
  readonly activeOnly: boolean;
  readonly rules: Pick<CollectionRules, 'channels' | 'documentIDs'>;
  /** Whether we take many small revisions in one message. */
  readonly batches: boolean;
  /** How many entries a list of the peer is to have. */
  readonly feedPage: number;
}

export function subChangesMessage({
  collection,
  continuous,
  since,
  activeOnly,
  rules,
  batches,
  feedPage,
}: WantedFeed): OutgoingMessage {
  const properties: Record<string, string> = {
    Profile: 'subChanges',
    ...collectionProperty(collection),
    batch: String(feedPage),
    versioning: 'rev-trees',
    revocations: 'true',
    sendReplacementRevs: 'true',
  };
  if (since !== undefined) properties['since'] = since;
  if (continuous) properties['continuous'] = 'true';
  if (activeOnly) properties['activeOnly'] = 'true';
  if (batches) properties[TAKES_BATCHES] = '1';
  if (rules.channels !== undefined) {
    properties['filter'] = 'sync_gateway/bychannel';
    properties['channels'] = rules.channels.join(',');
  }
  if (rules.documentIDs === undefined) return { properties };
  return { properties, body: utf8(JSON.stringify({ docIDs: [...rules.documentIDs] })) };
}

/** Returns what the peer wants, or the reply to what we cannot give it. */
export function parseSubChanges(request: IncomingRequest): FeedTerms | RemoteError {
  const { properties } = request;
  if (properties.text('filter') !== undefined) return reply.liteCore(19, 'Filtering not supported');
  const versioning = properties.text('versioning') ?? 'rev-trees';
  if (versioning !== 'rev-trees') return reply.liteCore(501, 'Incompatible document versioning.');
  if (request.body.length > MAX_JSON_BODY) return reply.http(413, 'too many document IDs');
  return {
    since: Math.max(0, properties.integer('since') ?? 0),
    continuous: properties.boolean('continuous'),
    activeOnly: properties.boolean('activeOnly'),
    documentIDs: documentIDsOf(request),
    sendReplacementRevs: properties.boolean('sendReplacementRevs'),
    takesBatches: properties.boolean(TAKES_BATCHES),
  };
}

function documentIDsOf(request: IncomingRequest): ReadonlySet<string> | undefined {
  const body = request.body.length === 0 ? undefined : parseJsonBody(request.body);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  const ids = body['docIDs'];
  return Array.isArray(ids) ? new Set(ids.filter((id): id is string => typeof id === 'string')) : undefined;
}
