/**
 * Asks the pull filter of an application. It may take its time, and it may never answer: that holds up the other documents
 * for a while at most, and the end of the session not at all.
 */
import { deferred, type Clock, type Deferred } from '../base/index.js';
import { HawserError } from '../errors.js';
import { closedError } from './channel-errors.js';
import type { DocumentFlags, ReplicationFilter } from './collection-configuration.js';
import { passes, type FilteredRevision } from './document-filter.js';
import type { MessageChannel } from './message-channel.js';
import { FILTER_LIMIT_MS, MAX_FILTER_CALLS } from './tuning.js';
import { Window } from './window.js';

export class FilterCalls {
  readonly #clock: Clock;
  readonly #channel: MessageChannel;
  readonly #window = new Window(MAX_FILTER_CALLS);
  /** Calls that have not answered yet. */
  readonly #pending = new Set<Deferred<never>>();

  constructor({ clock, channel }: { readonly clock: Clock; readonly channel: MessageChannel }) {
    this.#clock = clock;
    this.#channel = channel;
    void channel.ended.then(() => {
      for (const call of this.#pending) call.reject(closedError());
    });
  }

  /**
   * As `passes`. Rejects with `FILTER_FAILED` also where the filter does not answer in time, and with `BLIP_CLOSED` when the
   * connection ends first.
   */
  async ask(filter: ReplicationFilter, revision: FilteredRevision, flags: DocumentFlags): Promise<boolean> {
    await this.#window.enter();
    const end = deferred<never>();
    const timer = this.#clock.setTimer(FILTER_LIMIT_MS, () => {
      const message = `the filter did not answer for document "${revision.id}" within ${FILTER_LIMIT_MS / 1_000} s`;
      end.reject(new HawserError('FILTER_FAILED', message));
    });
    this.#pending.add(end);
    try {
      if (this.#channel.isEnded) throw closedError();
      return await Promise.race([passes(filter, revision, flags), end.promise]);
    } finally {
      this.#pending.delete(end);
      timer.cancel();
      this.#window.leave();
    }
  }
}
