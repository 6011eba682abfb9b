/** The engine's side of a connection under test: it writes down what it is told, and waits for what a case expects. */
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../../src/index.js';

export class ConnectionRecorder implements ReplicatorConnection {
  readonly messages: Message[] = [];
  /** Every call of `close`, in order: there must never be two. */
  readonly closes: (MessagingError | undefined)[] = [];
  /** Messages that came before `open` had resolved: there must be none. */
  tooEarly = 0;
  #isOpen = false;
  #receivedBytes = 0;
  #pause: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  readonly #watchers = new Set<() => void>();
  readonly #patienceMs: number;

  /** @param patienceMs how long a case waits for what it expects: wall time that only a failing case spends */
  constructor(patienceMs = 15_000) {
    this.#patienceMs = patienceMs;
  }

  /** Opens `connection` with this recorder. */
  open(connection: MessageEndpointConnection): Promise<void> {
    const opening = connection.open(this);
    // The first reaction to the very promise, so that what comes in the turn after it does not count as early.
    void opening.then(
      () => (this.#isOpen = true),
      () => undefined,
    );
    return opening;
  }

  receive(message: Message): void | Promise<void> {
    if (!this.#isOpen) this.tooEarly++;
    this.messages.push(message);
    this.#receivedBytes += message.length;
    this.#notify();
    return this.#pause?.promise;
  }

  close(error?: MessagingError): void {
    this.closes.push(error);
    this.#notify();
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** From now on `receive` returns a promise that resolves with `resume`. */
  pause(): void {
    let resolve = (): void => undefined;
    const promise = new Promise<void>((onResolve) => {
      resolve = onResolve;
    });
    this.#pause = { promise, resolve };
  }

  resume(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  untilMessages(count: number): Promise<void> {
    return this.until(`${count} messages`, () => this.messages.length >= count);
  }

  async untilClosed(): Promise<MessagingError | undefined> {
    await this.until('the end of the connection', () => this.closes.length > 0);
    return this.closes[0];
  }

  /** Resolves when `reached` is true; rejects when patience is over, with what came instead. */
  until(what: string, reached: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const timer = setTimeout(() => {
        stop();
        const ends = this.closes.map((error) => error?.message ?? 'orderly').join(', ');
        reject(new Error(`waited in vain for ${what}: ${this.messages.length} messages came, ends: [${ends}]`));
      }, this.#patienceMs);
      const look = (): void => {
        if (!reached()) return;
        stop();
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  #notify(): void {
    for (const look of [...this.#watchers]) look();
  }
}
