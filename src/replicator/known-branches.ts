/** All revisions of a stored document as branches, the current one first. Pure. */
import { currentBranch, readConflicts } from '../database/index.js';
import type { Branch } from '../revision/index.js';
import type { StoredDocument } from '../storage/index.js';

export function branchesOf(document: StoredDocument | undefined): readonly Branch[] {
  return document === undefined ? [] : [currentBranch(document), ...readConflicts(document)];
}
