/** Revisions that an active puller has asked for and not yet received, by sequence. Pure. */
import type { SentRevision } from './incoming-rev.js';

/** What was announced and is wanted. */
export interface RequestedRevision {
  /** Empty for what came without having been announced. */
  readonly sequence: string;
  readonly id: string;
  readonly revisionID: string;
  /** Its delta was of no use: it has to come in full. */
  readonly isWholeWanted: boolean;
}

export class RequestedRevisions {
  /** Several of a sequence where one was announced more than once. */
  readonly #bySequence = new Map<string, RequestedRevision[]>();

  add(revision: RequestedRevision): void {
    const list = this.#bySequence.get(revision.sequence);
    if (list === undefined) this.#bySequence.set(revision.sequence, [revision]);
    else list.push(revision);
  }

  /**
   * Which request a `rev` or `norev` fulfils, now no longer waited for: that of its sequence, or else of its document, for a
   * peer that confuses sequences would have us wait for ever. A newer revision may replace the one asked for (3.9.4).
   */
  take(sent: SentRevision): RequestedRevision | undefined {
    if (this.#bySequence.size === 0) return undefined;
    const { sequence } = sent;
    const isMeant = ({ id, revisionID }: RequestedRevision): boolean =>
      id === sent.id && (revisionID === sent.revisionID || revisionID === sent.replacedRev);
    let list = sequence === undefined ? undefined : this.#bySequence.get(sequence);
    list ??= [...this.#bySequence.values()].find((candidates) => candidates.some(isMeant));
    if (list === undefined) return undefined;
    const index = Math.max(0, list.findIndex(isMeant));
    const [requested] = list.splice(index, 1);
    if (requested !== undefined && list.length === 0) this.#bySequence.delete(requested.sequence);
    return requested;
  }
}
