/**
 * Which message sends the next frame: queueing, urgency, numbering and flow control (specification 2.4, 2.5, 2.8). Makes
 * no frames itself.
 *
 * Invariant: a message is in exactly one place: in the queue, or parked until the peer acknowledges or its body goes on,
 * or (between `next` and `settle`) in the caller's hands. Messages of more than one frame can also be found by their number.
 */
import type { SentRequest } from './message.js';
import type { OutgoingTransfer } from './outgoing-transfer.js';

export class Outbox {
  /** Bytes of messages, before compression, that no frame has taken yet; parked messages count. */
  queuedBytes = 0;
  /** Messages of which something is in no frame yet; parked ones count. */
  queuedMessages = 0;
  /** The queue is what is at `#head` and after it; before it there is nothing any more. */
  #queue: (OutgoingTransfer | undefined)[] = [];
  #head = 0;
  #lastRequest = 0;
  /** Begun and not completely sent: acknowledgements look here. */
  readonly #requests = new Map<number, OutgoingTransfer>();
  readonly #responses = new Map<number, OutgoingTransfer>();
  readonly #parked = new Set<OutgoingTransfer>();
  /** Completely sent, and waiting for their response. */
  readonly #unanswered = new Map<number, SentRequest>();

  add(message: OutgoingTransfer): void {
    this.queuedBytes += message.available;
    this.queuedMessages++;
    message.watch((added) => {
      this.queuedBytes += added;
      this.#unpark(message);
    });
    this.#enqueue(message);
  }

  /** Takes the next message out of the queue and numbers it. `settle` it after its frame was made. */
  next(): OutgoingTransfer | undefined {
    const message = this.#queue[this.#head];
    if (message === undefined) return undefined;
    this.#queue[this.#head++] = undefined;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    if (message.number === 0) message.number = ++this.#lastRequest;
    return message;
  }

  /** How long the frame of the message that `next` just gave may be: a small one where an urgent message waits behind it. */
  frameBudget(message: OutgoingTransfer): number {
    return !message.urgent && this.#queue[this.#head]?.urgent === true ? SMALL_FRAME : LARGE_FRAME;
  }

  /** A frame took `taken` bytes of the message: puts it where it belongs now. */
  settle(message: OutgoingTransfer, taken: number): void {
    this.queuedBytes -= taken;
    const unfinished = this.#unfinished(message.request === undefined);
    if (message.isComplete) {
      this.queuedMessages--;
      unfinished.delete(message.number);
      // Now, before the frame is on the wire: the response may come as soon as it is.
      if (message.request?.noReply === false) this.#unanswered.set(message.number, message.request);
      return;
    }
    unfinished.set(message.number, message);
    if (message.isBlocked) this.#parked.add(message);
    else this.#enqueue(message);
  }

  /** Acknowledgements of messages that we do not know (any more) are ignored (specification 2.8). */
  acknowledge(ofResponse: boolean, number: number, total: number): void {
    const message = this.#unfinished(ofResponse).get(number);
    if (message === undefined) return;
    message.recordAcknowledgement(total);
    this.#unpark(message);
  }

  /** The request that waits for response `number`, which it does no longer after this. */
  claimRequest(number: number): SentRequest | undefined {
    const request = this.#unanswered.get(number);
    if (request !== undefined) this.#unanswered.delete(number);
    return request;
  }

  clear(): void {
    const begun = [...this.#requests.values(), ...this.#responses.values()];
    for (const message of [...begun, ...this.#queue]) message?.drop();
    this.queuedBytes = 0;
    this.queuedMessages = 0;
    this.#queue = [];
    this.#head = 0;
    this.#requests.clear();
    this.#responses.clear();
    this.#parked.clear();
    this.#unanswered.clear();
  }

  /**
   * Normal messages go to the end. Urgent ones go behind the last urgent one, one normal message in between; with their
   * first frame they do not overtake messages that have not begun either (specification 2.5).
   */
  #enqueue(message: OutgoingTransfer): void {
    const queue = this.#queue;
    if (!message.urgent) {
      queue.push(message);
      return;
    }
    let place = queue.length;
    for (; place > this.#head; place--) {
      const before = queue[place - 1];
      if (before === undefined || before.urgent || (!message.started && !before.started)) break;
    }
    const behindUnstarted = place > this.#head && queue[place - 1]?.urgent === false;
    if (!behindUnstarted && place < queue.length) place++;
    if (place === queue.length) queue.push(message);
    else queue.splice(place, 0, message);
  }

  #unpark(message: OutgoingTransfer): void {
    if (!message.isBlocked && this.#parked.delete(message)) this.#enqueue(message);
  }

  #unfinished(response: boolean): Map<number, OutgoingTransfer> {
    return response ? this.#responses : this.#requests;
  }
}

/** Whole frames, specification 2.5. */
const LARGE_FRAME = 16_384;
const SMALL_FRAME = 4_096;

/** How many places at the front may be empty before the queue is moved up: so that a pop costs next to nothing. */
const COMPACT_AT = 1_024;
