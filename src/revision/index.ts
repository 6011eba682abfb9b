/** Revisions of documents: their IDs, their ancestors, who wins. Pure: no I/O, no clock, no randomness. */
export {
  MAX_HISTORY,
  contains,
  descendsFrom,
  isAncestorOf,
  possibleAncestors,
  prune,
  winner,
  type Branch,
} from './branch.js';
export { bridgeHistory, formatHistory, parseHistory } from './history.js';
export { insertRevision, type InsertOutcome } from './insert.js';
export {
  compareRevisionIDs,
  createRevisionID,
  formatRevisionID,
  generationOf,
  isPlausibleRevisionID,
  normalizeRevisionID,
  parseRevisionID,
  type RevisionID,
} from './revision-id.js';
