export { PassiveSession, type PassiveSessionOptions } from './passive-session.js';
export {
  PROTOCOLS,
  Replicator,
  type ReplicatorActivity,
  type ReplicatorEvents,
  type ReplicatorStatus,
} from './replicator.js';
export { checkCollections, type ReplicatorConfiguration, type ReplicatorOptions } from './replicator-options.js';
export type { DocumentProblem, ReplicatedDocument } from './session-events.js';
export type { CollectionConfiguration, DocumentFlags, ReplicationFilter } from './collection-configuration.js';
