/**
 * The contents that the peer may have: those of the revisions that were sent to it and not yet answered (specification
 * 3.11). Without it a peer could read what belongs to documents that are not replicated to it, if it knew a digest.
 */
export class SharedBlobs {
  /** How many revisions refer to each. */
  readonly #counts = new Map<string, number>();

  /** A revision with these digests is about to be sent. */
  add(digests: Iterable<string>): void {
    for (const digest of digests) this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
  }

  /** It was answered, or will not be any more. To be given the same digests as `add`. */
  remove(digests: Iterable<string>): void {
    for (const digest of digests) {
      const others = (this.#counts.get(digest) ?? 0) - 1;
      if (others > 0) this.#counts.set(digest, others);
      else this.#counts.delete(digest);
    }
  }

  has(digest: string): boolean {
    return this.#counts.has(digest);
  }
}
