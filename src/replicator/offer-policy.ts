/**
 * Whether revisions are offered before they are sent. Asking costs a round trip and names every revision twice; sending
 * what the peer has already costs its whole body. Pure.
 *
 * It asks until the peer has wanted all of a list, and again after the peer had something of what it was sent unasked: it
 * gets the same documents from elsewhere, or a checkpoint was lost.
 */
export class OfferPolicy {
  #lists = LISTS_BEFORE_TRUST;

  /** Whether what comes next may be sent unasked. */
  get isUnasked(): boolean {
    return this.#lists === 0;
  }

  /** The peer has answered a list. */
  answered(isAllWanted: boolean): void {
    if (!isAllWanted) this.doubt();
    else if (this.#lists > 0) this.#lists--;
  }

  /** The peer did not need what it was sent. */
  doubt(): void {
    this.#lists = LISTS_AFTER_DOUBT;
  }
}

const LISTS_BEFORE_TRUST = 1;
const LISTS_AFTER_DOUBT = 3;
