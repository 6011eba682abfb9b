/**
 * A conversation of two replicators as messages: who asked what, and which answer went to which request. Recordings and
 * live connections have the same form, so that one can be held against the other.
 *
 * A label names a message by what it is about and by its order among its like, never by its number: numbers and timing
 * are free. Messages that say "caught up" once more have the label of the first.
 */
import { deferred, type Deferred } from '../../../src/base/index.js';

export type Side = 'active' | 'passive';

interface Content {
  readonly from: Side;
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly compressed: boolean;
}

export interface ReplayRequest extends Content {
  readonly kind: 'request';
  readonly urgent: boolean;
  readonly noReply: boolean;
}

export interface ReplayReply extends Content {
  readonly kind: 'reply';
  readonly to: ReplayRequest;
  /** `HTTP/404`; undefined for a success. */
  readonly error: string | undefined;
}

export type ReplayMessage = ReplayRequest | ReplayReply;

export class Transcript {
  readonly #messages: ReplayMessage[] = [];
  readonly #labels = new Map<ReplayMessage, string>();
  readonly #byLabel = new Map<string, ReplayMessage>();
  readonly #counts = new Map<string, number>();
  readonly #expected = new Map<string, Deferred<ReplayMessage>>();

  get messages(): readonly ReplayMessage[] {
    return this.#messages;
  }

  add(message: ReplayMessage): void {
    const label = this.#label(message);
    this.#messages.push(message);
    this.#labels.set(message, label);
    if (!this.#byLabel.has(label)) this.#byLabel.set(label, message);
    this.#expected.get(label)?.resolve(message);
  }

  labelOf(message: ReplayMessage): string {
    return this.#labels.get(message) ?? '?';
  }

  find(label: string): ReplayMessage | undefined {
    return this.#byLabel.get(label);
  }

  replyTo(request: ReplayRequest): ReplayReply | undefined {
    return this.#messages.find((message): message is ReplayReply => message.kind === 'reply' && message.to === request);
  }

  requests(from: Side, profile: string): ReplayRequest[] {
    return this.#messages.filter(
      (message): message is ReplayRequest =>
        message.kind === 'request' && message.from === from && message.properties['Profile'] === profile,
    );
  }

  /** The message with this label, as soon as there is one. */
  until(label: string): Promise<ReplayMessage> {
    const known = this.#byLabel.get(label);
    if (known !== undefined) return Promise.resolve(known);
    const expected = this.#expected.get(label) ?? deferred<ReplayMessage>();
    this.#expected.set(label, expected);
    return expected.promise;
  }

  #label(message: ReplayMessage): string {
    if (message.kind === 'reply') return `${message.from}: reply to ${this.labelOf(message.to)}`;
    const { Profile: profile = 'nothing', collection, id } = message.properties;
    const where = collection === undefined ? '' : ` of ${collection}`;
    if (isCaughtUp(message)) return `${message.from}: caught up${where}`;
    const key = `${message.from}: ${profile}${where}${id === undefined ? '' : ` ${id}`}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return `${key} #${count}`;
  }
}

/** A `changes` with nothing in it, in any of its spellings (specification 3.7). */
export function isCaughtUp({ properties, body }: ReplayRequest): boolean {
  return properties['Profile'] === 'changes' && ['[]', 'null', ''].includes(body.toString());
}
