/** Sends revisions within a window, and says what became of each. Shared by both kinds of pusher. */
import type { IncomingResponse } from '../blip/index.js';
import type { StoredDocument } from '../storage/index.js';
import type { MessageChannel } from './message-channel.js';
import { revMessage, type RevOptions } from './rev-message.js';
import { MAX_REV_BYTES_IN_FLIGHT, MAX_REVS_IN_FLIGHT } from './tuning.js';
import { Window } from './window.js';

export class RevSender {
  readonly #channel: MessageChannel;
  readonly #window = new Window(MAX_REVS_IN_FLIGHT, MAX_REV_BYTES_IN_FLIGHT);

  constructor(channel: MessageChannel) {
    this.#channel = channel;
  }

  /** Sends when there is room. Resolves to the receiver's answer; rejects with `BLIP_CLOSED` when the connection ends. */
  async send(document: StoredDocument, options: RevOptions): Promise<IncomingResponse> {
    const bytes = document.body.length;
    await this.#window.enter(bytes);
    try {
      return await this.#channel.request(revMessage(document, options));
    } finally {
      this.#window.leave(bytes);
    }
  }
}
