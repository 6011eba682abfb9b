/** Asks a user's filter about a revision, for either direction and for what is pending. */
import { Document } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { DocumentFlags, ReplicationFilter } from './collection-configuration.js';

export type FilteredRevision = Pick<StoredDocument, 'id' | 'revisionID' | 'sequence' | 'deleted' | 'body'>;

/** Whether the revision may be transferred. Rejects with `FILTER_FAILED` if the filter cannot tell. */
export async function passes(
  filter: ReplicationFilter | undefined,
  revision: FilteredRevision,
  flags: DocumentFlags,
): Promise<boolean> {
  if (filter === undefined) return true;
  let verdict: unknown;
  try {
    verdict = await filter(new Document(revision), flags);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new HawserError('FILTER_FAILED', `the filter failed for document "${revision.id}": ${said}`, { cause });
  }
  if (typeof verdict === 'boolean') return verdict;
  // Taken for a refusal, a forgotten "return" would keep documents back without a word.
  const message = `the filter returned ${typeof verdict} for document "${revision.id}", not a boolean`;
  throw new HawserError('FILTER_FAILED', message);
}
