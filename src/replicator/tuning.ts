/** The figures that shape a session, each with its reason; but for those that the profile of the database chooses (`ReplicationSizes`). */

/**
 * Entries in one `changes` or `proposeChanges` of ours. So few, and so few lists ahead, that a revision still finds its ID of 42
 * characters in the 32 KiB that the compressor looks back on: 105 bytes a document instead of 121.
 */
export const CHANGES_BATCH = 64;
/** Lists that wait for their reply: two, and more where the answers take so long that nothing is left to send meanwhile. */
export const MIN_UNANSWERED_LISTS = 2;
export const MAX_UNANSWERED_LISTS = 12;
/**
 * Revisions that a peer wrote itself, after which it is told of the last of them: as many are announced to it once more on its next
 * connection. One message in so many costs nothing.
 */
export const MAX_UNTOLD_ECHOES = 200;
/**
 * Changes in lists that wait for their answer, above which a puller gives the peer up. Ten times what any peer is known to
 * send before it waits.
 */
export const MAX_UNANSWERED_CHANGES = 10_000;
/** Changes or proposals in one list of a peer, above which the list is refused: a hundred times {@link CHANGES_BATCH}. */
export const MAX_LIST_ENTRIES = 20_000;
/** Bytes of the JSON body of a message, above which it is not read. A list of {@link CHANGES_BATCH} has a tenth of it at the most. */
export const MAX_JSON_BODY = 4 * 1024 * 1024;
/** How often a changed checkpoint is saved while a session is busy, in milliseconds (specification 4.4). */
export const CHECKPOINT_INTERVAL_MS = 5_000;
/** Documents done after which it is saved sooner: a fast link that is cut has no more than these to compare anew. */
export const CHECKPOINT_DOCUMENTS = 5_000;
/** Ancestors a revision carries, itself counted. */
export const MAX_HISTORY_ON_WIRE = 50;
/** Blobs being fetched at the same time: each may have 128,000 bytes on their way (specification 2.8). */
export const MAX_BLOB_FETCHES = 4;
/**
 * Bytes of received revisions that wait for their blobs, above which further ones are put off. Reading cannot be stopped
 * for them, as the blobs come over the same connection; an honest sender has fewer on their way.
 */
export const MAX_BYTES_AWAITING_BLOBS = 32 * 1024 * 1024;
/** Contents that a peer is known to have; of others it is asked once more. */
export const MAX_CONTENTS_SHOWN = 10_000;
/** Bytes of a content that is here, below which a peer that refers to it sends it again instead of proving that it has it. */
export const MIN_PROVED_BYTES = 4_096;
/** Blobs being served at the same time, each with an open file; further requests wait. */
export const MAX_BLOBS_SERVED = 4;
/** Requests for blobs that may wait or be served: more than one for each revision that may be under way. */
export const MAX_BLOBS_WAITING = 1_000;
/** Calls of an asynchronous filter that run at the same time; further documents wait. */
export const MAX_FILTER_CALLS = 100;
/** How long a filter may take for one document, in milliseconds: then the document has failed, and the others go on. */
export const FILTER_LIMIT_MS = 60_000;
/** Deltas being applied at the same time: each takes a few times the memory of a document. */
export const MAX_DELTAS_APPLIED = 4;
/** Conflict resolvers that run at the same time; further conflicts wait. */
export const MAX_RESOLVERS = 20;
/** Conflicts that wait for a resolver, above which no more revisions are stored: reading the connection stops then. */
export const MAX_CONFLICTS_WAITING = 1_000;
/** Calls of a resolver for a document that is changed each time before it answers, as in Couchbase Lite's C SDK. */
export const MAX_RESOLVER_CALLS = 10;
/** How long a connection that a listener was given may take to open, in milliseconds: its peer may never take the answer. */
export const OPEN_LIMIT_MS = 60_000;
/** Bytes: about what a received revision that waits costs beside its body. */
export const WAITING_REV_COST = 500;
/**
 * How long a listener sends nothing to a peer before it gives the compressor of that connection back, in milliseconds: half of
 * what an idle connection takes. What is sent after it costs some hundred bytes more, once.
 */
export const COMPRESSOR_REST_MS = 10_000;
