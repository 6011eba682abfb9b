/**
 * A layer that spoils a connection on purpose: messages are lost, doubled, damaged, held back or re-ordered, and the
 * link breaks. For tests of whatever must survive that. Everything is decided by the random source and timed by the
 * clock that are passed in, so that a run can be repeated. Without faults it is transparent.
 */
import {
  checkInteger,
  checkOptions,
  deferred,
  systemClock,
  type Clock,
  type RandomSource,
  type Timer,
} from '../../base/index.js';
import { HawserError } from '../../errors.js';
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../connection.js';
import { lostError, notOpenError } from '../messaging-error.js';
import { ReceiveGate } from '../receive-gate.js';

export interface FaultOptions {
  readonly random: RandomSource;
  /** @default the clock of the machine */
  readonly clock?: Clock;
  /** Which messages are spoiled; put two layers around a connection for different faults. @default 'both' */
  readonly direction?: 'send' | 'receive' | 'both';
  /** Chance (0 to 1) that a message is lost. `send` resolves all the same. */
  readonly drop?: number;
  /** Chance that it arrives twice in a row. */
  readonly duplicate?: number;
  /** Chance that one bit of it is flipped: the most likely error of a line, and the hardest to notice. */
  readonly corrupt?: number;
  /** Chance that its end is missing. */
  readonly truncate?: number;
  /** Holds a message back, and everything behind it. */
  readonly delay?: Lag;
  /** Holds a message back while others overtake it. */
  readonly reorder?: Lag;
  /** The link breaks instead of carrying one message more than this. */
  readonly cutAfter?: number;
  /** What is reported then, and told to the inner connection. @default CONNECTION_LOST, recoverable */
  readonly cutWith?: MessagingError;
  /** `open` rejects with this and connects nothing. */
  readonly failOpen?: MessagingError;
  /** The `send` after this many rejects with the error, and the link is left as it is. */
  readonly failSend?: { readonly after: number; readonly error: MessagingError };
}

/** How often and how long. */
export interface Lag {
  /** 0 to 1. */
  readonly chance: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Wraps `connection`. @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN` */
export function faulty(connection: MessageEndpointConnection, options: FaultOptions): MessageEndpointConnection {
  checkOptions('faulty', options, KNOWN_OPTIONS);
  for (const name of ['drop', 'duplicate', 'corrupt', 'truncate'] as const) checkChance(name, options[name]);
  for (const name of ['delay', 'reorder'] as const) {
    const lag = options[name];
    checkChance(`${name}.chance`, lag?.chance);
    if (lag !== undefined) checkInteger(`${name}.maxMs`, lag.maxMs, checkInteger(`${name}.minMs`, lag.minMs, 0));
  }
  return new FaultyConnection(connection, options);
}

class FaultyConnection implements MessageEndpointConnection {
  readonly #inner: MessageEndpointConnection;
  readonly #options: FaultOptions;
  readonly #outbound: FaultyLine;
  readonly #inbound: FaultyLine;
  #gate: ReceiveGate | undefined;
  #carried = 0;
  #sends = 0;
  /** Why the link is broken, once it is. */
  #broken: MessagingError | undefined;
  #closed: Promise<void> | undefined;

  constructor(inner: MessageEndpointConnection, options: FaultOptions) {
    this.#inner = inner;
    this.#options = options;
    const direction = options.direction ?? 'both';
    const none: FaultOptions = { random: options.random };
    this.#outbound = new FaultyLine(direction === 'receive' ? none : options, (message) => this.#inner.send(message));
    this.#inbound = new FaultyLine(direction === 'send' ? none : options, (message) => this.#gate?.receive(message));
  }

  get protocol(): string | undefined {
    return this.#inner.protocol;
  }

  open(replicatorConnection: ReplicatorConnection): Promise<void> {
    if (this.#options.failOpen !== undefined) return Promise.reject(this.#options.failOpen);
    const gate = new ReceiveGate(replicatorConnection, { onOverflow: (error) => this.#break(error) });
    this.#gate ??= gate;
    return gate.during(
      this.#inner.open({
        receive: (message) => {
          if (this.#broken !== undefined) return;
          if (this.#isWornOut('receive')) return this.#break(this.#cutError());
          return this.#inbound.carry(message);
        },
        close: (error) => void this.#inbound.flushed().then(() => gate.close(error)),
      }),
    );
  }

  send(message: Message): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const { failSend } = this.#options;
    if (failSend !== undefined && this.#sends++ === failSend.after) return Promise.reject(failSend.error);
    if (this.#isWornOut('send')) {
      this.#break(this.#cutError());
      return Promise.reject(this.#cutError());
    }
    if (this.#closed !== undefined) return Promise.reject(notOpenError('send: the connection was closed'));
    const carried = this.#outbound.carry(message);
    if (carried === undefined) return Promise.resolve();
    return carried.then(() => {
      if (this.#outbound.dropped)
        throw this.#broken ?? notOpenError('send: the connection was closed before the message was sent');
    });
  }

  close(error?: MessagingError): Promise<void> {
    this.#closed ??= this.#close(error);
    return this.#closed;
  }

  async #close(error: MessagingError | undefined): Promise<void> {
    this.#gate?.shut();
    this.#inbound.drop();
    if (error === undefined && this.#broken === undefined) await this.#outbound.flushed();
    else this.#outbound.drop();
    await this.#inner.close(error);
    this.#outbound.drop(); // what `reorder` still holds
  }

  #isWornOut(direction: 'send' | 'receive'): boolean {
    const { cutAfter, direction: spoiled = 'both' } = this.#options;
    if (cutAfter === undefined || (spoiled !== 'both' && spoiled !== direction)) return false;
    return this.#carried++ >= cutAfter;
  }

  #cutError(): MessagingError {
    return this.#options.cutWith ?? lostError(`the link was cut after ${this.#options.cutAfter} messages`);
  }

  #break(error: MessagingError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#inbound.drop();
    this.#outbound.drop();
    this.#gate?.close(error);
    void this.#inner.close(error);
  }
}

/** One direction. */
class FaultyLine {
  readonly #options: FaultOptions;
  readonly #clock: Clock;
  readonly #forward: (message: Message) => void | Promise<void>;
  /** The message that is held back, and those behind it. */
  #tail: Promise<void> | undefined;
  /** Those that wait: the timer, and what lets them go on. */
  readonly #waits = new Map<Timer, () => void>();
  #dropped = false;

  constructor(options: FaultOptions, forward: (message: Message) => void | Promise<void>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#forward = forward;
  }

  /** Whether messages were thrown away because of the end. */
  get dropped(): boolean {
    return this.#dropped;
  }

  carry(message: Message): void | Promise<void> {
    const { drop, corrupt, truncate, duplicate, delay, reorder } = this.#options;
    if (this.#happens(drop)) return;
    let spoiled = message;
    if (this.#happens(corrupt)) spoiled = this.#flipBit(spoiled);
    if (this.#happens(truncate))
      spoiled = spoiled.subarray(0, Math.floor(this.#options.random.next() * spoiled.length));
    const copies = this.#happens(duplicate) ? [new Uint8Array(spoiled), spoiled] : [spoiled];
    if (reorder !== undefined && this.#happens(reorder.chance)) {
      void this.#wait(reorder)
        .then(() => this.#forwardAll(copies))
        .catch(ignore);
      return;
    }
    const wait = delay !== undefined && this.#happens(delay.chance) ? delay : undefined;
    if (wait === undefined && this.#tail === undefined) return this.#forwardAll(copies);
    const before = this.#tail ?? Promise.resolve();
    const carried = before
      .then(() => (wait === undefined ? undefined : this.#wait(wait)))
      .then(() => this.#forwardAll(copies));
    const tail = carried.catch(ignore).then(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    this.#tail = tail;
    return carried;
  }

  /** Resolves when nothing is held back in order; what `reorder` holds is not waited for. */
  flushed(): Promise<void> {
    return this.#tail ?? Promise.resolve();
  }

  /** Nothing is carried any more. */
  drop(): void {
    this.#dropped = true;
    for (const [timer, wake] of this.#waits) {
      timer.cancel();
      wake();
    }
    this.#waits.clear();
  }

  #forwardAll(copies: readonly Message[]): void | Promise<void> {
    if (this.#dropped) return;
    const [first, second] = copies;
    const taken = first === undefined ? undefined : this.#forward(first);
    if (second === undefined) return taken;
    const takenAgain = this.#forward(second);
    return Promise.all([taken, takenAgain]).then(ignore);
  }

  /** Chances are drawn for the options that are set only, so that adding none changes no run. */
  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#options.random.next() < chance;
  }

  #flipBit(message: Message): Message {
    if (message.length === 0) return message;
    const damaged = new Uint8Array(message); // not slice(): that of a Buffer shares the memory
    const bit = Math.floor(this.#options.random.next() * damaged.length * 8);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return damaged;
  }

  #wait({ minMs, maxMs }: Lag): Promise<void> {
    const over = deferred();
    const timer = this.#clock.setTimer(minMs + Math.floor(this.#options.random.next() * (maxMs - minMs + 1)), () => {
      this.#waits.delete(timer);
      over.resolve();
    });
    this.#waits.set(timer, () => over.resolve());
    return over.promise;
  }
}

function checkChance(name: string, chance: number | undefined): void {
  if (chance === undefined || (typeof chance === 'number' && chance >= 0 && chance <= 1)) return;
  throw new HawserError('ARGUMENT_INVALID', `faulty: ${name} must be a number from 0 to 1, not ${String(chance)}`);
}

const ignore = (): void => undefined;

const KNOWN_OPTIONS = [
  'random',
  'clock',
  'direction',
  'drop',
  'duplicate',
  'corrupt',
  'truncate',
  'delay',
  'reorder',
  'cutAfter',
  'cutWith',
  'failOpen',
  'failSend',
];
