export { bodyOf, revisionsWithBody } from './bases.js';
export { Batch, BatchCollection } from './batch.js';
export { Blob, isBlobDictionary, type BlobDictionary } from './blob.js';
export {
  ATTACHMENTS,
  attachmentsOf,
  blobReferences,
  blobsIn,
  type BlobPlace,
  type BlobReference,
} from './blobs-of-body.js';
export type { BlobLease } from './blob-leases.js';
export type { ChangesOptions, DocumentChange } from './change-feed.js';
export { Collection, type CollectionChange } from './collection.js';
export { Database, type DatabaseOptions, type DatabaseUser } from './database.js';
export type { Conflict, ConflictResolver } from './conflict-resolver.js';
export { resolverFailed, type OpenConflict } from './conflict-results.js';
export type { DeleteOptions, SaveConflict, SaveOptions } from './document-access.js';
export { Document, type DocumentBody } from './document.js';
export type { IncomingOptions, IncomingOutcome, IncomingResult, IncomingRevision } from './incoming.js';
export { documentIDProblem, fullName, DEFAULT_NAME } from './names.js';
export { ReplicationBlobs } from './replication-blobs.js';
export type { ProfileName, ReplicationSizes } from './profile.js';
export type { PeerCheckpoint } from './peer-checkpoints.js';
export { ReplicationStore } from './replication-store.js';
export { currentBranch, readConflicts, remoteRevision, splitHistory } from './revisions.js';
