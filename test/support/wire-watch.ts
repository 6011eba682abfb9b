/** What two peers of ours really say to each other: every BLIP message that goes over a connection, both ways, in order. */
import { fromUtf8, VarintReader } from '../../src/base/index.js';
import {
  ERROR_RESPONSE,
  MORE_COMING,
  readFrameHeader,
  REQUEST,
  REQUEST_ACK,
  RESPONSE_ACK,
} from '../../src/blip/frame-header.js';
import { FrameReader } from '../../src/blip/frame-reader.js';
import { createInflater } from '../../src/blip/inflate.js';
import { MessageProperties } from '../../src/blip/properties.js';
import type { Message, MessageEndpointConnection } from '../../src/index.js';

export interface WireMessage {
  /** Whether the side that was wrapped, the active peer, has sent it. */
  readonly isOurs: boolean;
  /** That of the request which it is or answers. */
  readonly profile: string;
  readonly kind: 'request' | 'answer' | 'error';
  readonly properties: Readonly<Record<string, string>>;
  /** Empty where it is no text. */
  readonly text: string;
  readonly frames: number;
  /** Of the connection, the first being number 1. */
  readonly connection: number;
}

/** A row of a batch: sequence or step, document, revision, length of the body, 1 for a tombstone, history, base of a delta. */
export type BatchRow = readonly [number, string, string, number, (0 | 1)?, string?, string?];

export class WireWatch {
  readonly messages: WireMessage[] = [];
  #connections = 0;

  /** For `LinkOptions.around`. */
  readonly around = (connection: MessageEndpointConnection): MessageEndpointConnection => {
    const number = ++this.#connections;
    const [ours, theirs] = [new Map<number, string>(), new Map<number, string>()];
    const tell = (message: Omit<WireMessage, 'connection'>): void => {
      this.messages.push({ ...message, connection: number });
    };
    const sent = decoder(true, ours, theirs, tell);
    const received = decoder(false, theirs, ours, tell);
    return {
      open: (engine) =>
        connection.open({
          receive: (message) => {
            received(message);
            return engine.receive(message);
          },
          close: (error) => engine.close(error),
        }),
      send: (message) => {
        sent(message);
        return connection.send(message);
      },
      close: (error) => connection.close(error),
    };
  };

  /** Requests with this Profile, of one side or of both. */
  requests(profile: string, isOurs?: boolean): WireMessage[] {
    return this.messages.filter(
      (message) =>
        message.kind === 'request' && message.profile === profile && (isOurs ?? message.isOurs) === message.isOurs,
    );
  }

  /** What was sent in batches, row by row. */
  rows(isOurs?: boolean): BatchRow[] {
    return this.requests('hawserRevs', isOurs).flatMap(({ text }) => rowsOf(text));
  }

  /** The entries of the answers to batches that say something, that is all but zeros. */
  get refusals(): unknown[] {
    const answers = this.messages.filter(({ kind, profile }) => kind === 'answer' && profile === 'hawserRevs');
    const entries = answers.flatMap(({ text }) => (text === '' ? [] : (JSON.parse(text) as unknown[])));
    return entries.filter((entry) => entry !== 0);
  }

  /** IDs of all revisions that were sent, once for each time, however they were. */
  sent(isOurs?: boolean): string[] {
    const alone = this.requests('rev', isOurs).map(({ properties }) => properties['id'] ?? '');
    return [...alone, ...this.rows(isOurs).map(([, id]) => id)];
  }

  clear(): void {
    this.messages.length = 0;
  }
}

/** The rows of a batch. */
export function rowsOf(text: string): BatchRow[] {
  return JSON.parse(text.slice(0, text.indexOf('\n'))) as BatchRow[];
}

function decoder(
  isOurs: boolean,
  asked: Map<number, string>,
  askedByOther: ReadonlyMap<number, string>,
  tell: (message: Omit<WireMessage, 'connection'>) => void,
): (message: Message) => void {
  const reader = new FrameReader(createInflater(MAX_INFLATED));
  const begun = new Map<string, Buffer[]>();
  return (message) => {
    const frame = Buffer.from(message);
    const header = readFrameHeader(frame);
    if (header.type === REQUEST_ACK || header.type === RESPONSE_ACK) return;
    const isRequest = header.type === REQUEST;
    const key = `${isRequest} ${header.number}`;
    const pieces = begun.get(key) ?? [];
    begun.set(key, pieces);
    pieces.push(Buffer.from(reader.read(frame, header).bytes));
    if ((header.flags & MORE_COMING) !== 0) return;
    begun.delete(key);
    const whole = Buffer.concat(pieces);
    const start = new VarintReader(whole);
    const length = start.read() ?? 0;
    const end = start.offset + length;
    const properties = Object.fromEntries(MessageProperties.decode(whole.subarray(start.offset, end)).entries());
    if (isRequest) asked.set(header.number, properties['Profile'] ?? '');
    tell({
      isOurs,
      kind: isRequest ? 'request' : header.type === ERROR_RESPONSE ? 'error' : 'answer',
      profile: (isRequest ? asked : askedByOther).get(header.number) ?? '',
      properties,
      text: fromUtf8(whole.subarray(end)) ?? '',
      frames: pieces.length,
    });
  };
}

const MAX_INFLATED = 17 * 1024 * 1024;
