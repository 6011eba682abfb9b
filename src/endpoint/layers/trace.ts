/**
 * A layer that tells what goes over a connection: each message with direction, size and time, and how it opened and
 * ended. It changes nothing. Documents are in the messages: with `hexBytes` the trace is as confidential as they are.
 */
import { checkInteger, checkOptions, systemClock, type Clock } from '../../base/index.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../connection.js';
import { toMessagingError } from '../messaging-error.js';
import { ReceiveGate } from '../receive-gate.js';

export type TraceEvent = { /** Milliseconds since the connection was made. */ readonly atMs: number } & (
  | { readonly kind: 'opening' }
  | { readonly kind: 'opened'; readonly protocol: string | undefined }
  | { readonly kind: 'open-failed'; readonly error: MessagingError }
  /** Handed to the connection; `hex` holds the first bytes if they were asked for. */
  | { readonly kind: 'sent'; readonly size: number; readonly hex?: string }
  | { readonly kind: 'send-failed'; readonly size: number; readonly error: MessagingError }
  | { readonly kind: 'received'; readonly size: number; readonly hex?: string }
  /** The engine closes it. */
  | { readonly kind: 'closing'; readonly error: MessagingError | undefined }
  /** Nothing of it is left open. */
  | { readonly kind: 'closed' }
  /** The medium ended. */
  | { readonly kind: 'ended'; readonly error: MessagingError | undefined }
);

export interface TraceOptions {
  /** @default the clock of the machine */
  readonly clock?: Clock;
  /** How many bytes of each message to show. @default 0 */
  readonly hexBytes?: number;
}

/** Wraps `connection`. What `sink` throws is dropped: a trace never disturbs what it watches. */
export function traced(
  connection: MessageEndpointConnection,
  sink: (event: TraceEvent) => void,
  options: TraceOptions = {},
): MessageEndpointConnection {
  checkOptions('traced', options, ['clock', 'hexBytes']);
  return new TracedConnection(connection, sink, options);
}

/** One line for a log, for example `12.5 ms sent 42 bytes 0a0b…`. */
export function formatTraceEvent(event: TraceEvent): string {
  const words = [`${event.atMs.toFixed(1)} ms`, event.kind];
  if ('size' in event) words.push(`${event.size} bytes`);
  if ('hex' in event && event.hex !== undefined) words.push(event.hex + (event.hex.length / 2 < event.size ? '…' : ''));
  if ('protocol' in event && event.protocol !== undefined) words.push(event.protocol);
  if ('error' in event && event.error !== undefined) words.push(`${event.error.code} ${event.error.message}`);
  return words.join(' ');
}

/** An event without its time. */
type Untimed = TraceEvent extends infer E ? (E extends TraceEvent ? Omit<E, 'atMs'> : never) : never;

class TracedConnection implements MessageEndpointConnection {
  readonly #inner: MessageEndpointConnection;
  readonly #sink: (event: TraceEvent) => void;
  readonly #clock: Clock;
  readonly #hexBytes: number;
  readonly #startedAt: number;
  #gate: ReceiveGate | undefined;
  #closed: Promise<void> | undefined;

  constructor(inner: MessageEndpointConnection, sink: (event: TraceEvent) => void, options: TraceOptions) {
    this.#inner = inner;
    this.#sink = sink;
    this.#clock = options.clock ?? systemClock;
    this.#hexBytes = checkInteger('hexBytes', options.hexBytes ?? 0, 0);
    this.#startedAt = this.#clock.monotonic();
  }

  get protocol(): string | undefined {
    return this.#inner.protocol;
  }

  open(replicatorConnection: ReplicatorConnection): Promise<void> {
    this.#tell({ kind: 'opening' });
    const onOverflow = (error: MessagingError): void => {
      gate.close(error);
      void this.#inner.close(error);
    };
    const gate = new ReceiveGate(replicatorConnection, { onOverflow });
    this.#gate ??= gate;
    const opening = this.#inner.open({
      receive: (message) => {
        this.#tell({ kind: 'received', size: message.length, ...this.#hex(message) });
        return gate.receive(message);
      },
      close: (error) => {
        this.#tell({ kind: 'ended', error });
        gate.close(error);
      },
    });
    const told = opening.then(
      () => this.#tell({ kind: 'opened', protocol: this.#inner.protocol }),
      (error: unknown) => {
        this.#tell({ kind: 'open-failed', error: toMessagingError(error, 'open') });
        throw error;
      },
    );
    return gate.during(told);
  }

  async send(message: Message): Promise<void> {
    const size = message.length;
    const hex = this.#hex(message); // before it changes hands
    try {
      const sent = this.#inner.send(message);
      this.#tell({ kind: 'sent', size, ...hex });
      await sent;
    } catch (error) {
      this.#tell({ kind: 'send-failed', size, error: toMessagingError(error, 'send') });
      throw error;
    }
  }

  close(error?: MessagingError): Promise<void> {
    this.#closed ??= this.#close(error);
    return this.#closed;
  }

  async #close(error: MessagingError | undefined): Promise<void> {
    this.#gate?.shut();
    this.#tell({ kind: 'closing', error });
    await this.#inner.close(error);
    this.#tell({ kind: 'closed' });
  }

  #hex(message: Message): { readonly hex?: string } {
    if (this.#hexBytes === 0) return {};
    const shown = message.subarray(0, this.#hexBytes);
    return { hex: Buffer.from(shown.buffer, shown.byteOffset, shown.length).toString('hex') };
  }

  #tell(event: Untimed): void {
    try {
      this.#sink({ ...event, atMs: this.#clock.monotonic() - this.#startedAt });
    } catch {
      // see `traced`
    }
  }
}
