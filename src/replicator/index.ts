export { PassiveSession, type PassiveSessionOptions } from './passive-session.js';
export { Replicator, type ReplicatorEvents } from './replicator.js';
export { PROTOCOLS } from './replicator-run.js';
export type { ReplicatorActivity, ReplicatorStatus } from './replicator-status.js';
export { checkCollections, type ReplicatorConfiguration, type ReplicatorOptions } from './replicator-options.js';
export type { DocumentReplication, ReplicatedDocument } from './document-events.js';
export type { DocumentProblem } from './session-events.js';
export type { CollectionConfiguration, DocumentFlags, ReplicationFilter } from './collection-configuration.js';
export { asHawserError } from './session-end.js';
