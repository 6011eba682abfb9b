/** The public door of hawser: re-exports only. Transports have doors of their own: `hawser/websocket` and others. */
export * from './errors.js';
export type { CompressionOptions } from './blip/index.js';
// `checkInteger`, `checkOptions`, `checkSeconds`, `deferred` and `loadPackage` are for authors of transports.
export {
  checkInteger,
  checkOptions,
  checkSeconds,
  consoleLogger,
  deferred,
  loadPackage,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Deferred,
  type JsonValue,
  type LogDomain,
  type Logger,
  type LogLevel,
  type RandomSource,
  type Timer,
  type Unsubscribe,
} from './base/index.js';
export {
  Batch,
  BatchCollection,
  Blob,
  Collection,
  Database,
  Document,
  isBlobDictionary,
  type BlobDictionary,
  type ChangesOptions,
  type CollectionChange,
  type Conflict,
  type ConflictResolver,
  type DatabaseOptions,
  type DeleteOptions,
  type DocumentBody,
  type DocumentChange,
  type ProfileName,
  type SaveConflict,
  type SaveOptions,
} from './database/index.js';
export * from './endpoint/index.js';
export * from './listener/index.js';
export {
  Replicator,
  type CollectionConfiguration,
  type DocumentFlags,
  type DocumentProblem,
  type DocumentReplication,
  type ReplicatedDocument,
  type ReplicationFilter,
  type ReplicatorActivity,
  type ReplicatorConfiguration,
  type ReplicatorEvents,
  type ReplicatorOptions,
  type ReplicatorStatus,
} from './replicator/index.js';
export * from './security/index.js';
