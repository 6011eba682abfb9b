/** The documents that a replicator could not transfer, in the form in which a listener tells of its own. */
import type { DocumentProblem, Replicator } from '../../src/index.js';

/** Grows with each one; events come in batches, at the latest before the replicator is idle or stopped. */
export function documentProblems(replicator: Replicator): DocumentProblem[] {
  const problems: DocumentProblem[] = [];
  replicator.on('documents', ({ isPush, documents }) => {
    for (const { id, scope, collection, flags, error } of documents) {
      const name = scope === '_default' ? collection : `${scope}.${collection}`;
      if (error !== undefined) problems.push({ collection: name, documentID: id, isPush, flags, error });
    }
  });
  return problems;
}
