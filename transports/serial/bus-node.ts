/** One node of a bus as the gateway knows it: its link, whether it answers, and when it is asked again. */
import { systemRandom, type Clock, type ListenerHost, type MessagingError } from '../../src/index.js';
import {
  Acceptor,
  LinkConnection,
  randomTag,
  rollCall,
  type Link,
  type LinkOptions,
  type PacketMedium,
} from '../link/index.js';
import { ROLL_CALL_MS } from './line-profile.js';
import type { TurnTaker } from './turn-giver.js';
import type { Turn } from './turn.js';

export interface BusNodeOptions {
  readonly address: number;
  readonly path: string;
  readonly turnaroundMs: number;
  readonly clock: Clock;
  readonly link: LinkOptions;
  readonly highWaterMark: number;
  readonly accept: ListenerHost['accept'];
}

export class BusNode implements TurnTaker {
  readonly address: number;
  /** When it is to have the turn again. */
  dueAt = 0;
  readonly #options: BusNodeOptions;
  #acceptor: Acceptor;
  /** One, and for a moment the one before. */
  readonly #connections = new Set<LinkConnection>();
  /** While what is sent is for this node. */
  #turn: Turn | undefined;
  #patienceMs: number;
  /** Turns in a row that were not answered. */
  #missed = 0;
  /** Whether anything but turns went to and fro since it had the last one. */
  #isActive = false;
  /** When it is asked again whether it believes to be connected. */
  #rollCallAt = 0;

  constructor(options: BusNodeOptions) {
    this.address = options.address;
    this.#options = options;
    this.#patienceMs = options.turnaroundMs;
    this.#acceptor = this.#newAcceptor();
  }

  get isAbsent(): boolean {
    return this.#missed >= MISSES_OF_ABSENT;
  }

  get patienceMs(): number {
    return this.#patienceMs;
  }

  speak(turn: Turn): void {
    this.#turn = turn;
    const now = this.#options.clock.monotonic();
    this.#callRoll(turn, now);
    while (!turn.isOver) {
      const packet = this.#acceptor.poll(now);
      if (packet === undefined) break;
      turn.write(packet);
    }
    this.#pump();
    this.#turn = undefined;
    this.#isActive = turn.packets > 0;
  }

  heard(packet: Uint8Array | undefined): void {
    if (packet === undefined) return;
    this.#isActive = true;
    const made = this.#acceptor.receive(packet, this.#options.clock.monotonic());
    if (made !== undefined) this.#accept(made);
  }

  answered(): void {
    this.#missed = 0;
    this.dueAt = this.#options.clock.monotonic() + (this.#isActive ? 0 : IDLE_PAUSE_MS);
    this.#pump(); // to the engine with what has come
  }

  missed(): void {
    this.#missed++;
    // Each question costs the others no more than it has to.
    if (this.isAbsent) this.#patienceMs = this.#options.turnaroundMs;
    this.dueAt = this.#options.clock.monotonic() + (this.isAbsent ? ABSENT_PAUSE_MS : 0);
    this.#pump();
  }

  wasLate(): void {
    this.#missed = 0;
    this.#patienceMs = Math.max(this.#patienceMs, Math.min(2 * this.#patienceMs, MAX_PATIENCE_MS));
  }

  /** The port is gone. */
  lost(error: MessagingError): void {
    this.#acceptor = this.#newAcceptor();
    this.#rollCallAt = 0;
    for (const { sink } of this.#connections) sink.lost(error);
  }

  /** As after a restart of this end: a node that has nothing to say would not notice, and nothing of ours would reach it. */
  #callRoll(turn: Turn, now: number): void {
    if (this.#connections.size > 0 || now < this.#rollCallAt) return;
    this.#rollCallAt = now + ROLL_CALL_MS;
    turn.write(rollCall());
  }

  #newAcceptor(): Acceptor {
    return new Acceptor(this.#options.link, () => randomTag(systemRandom));
  }

  #pump(): void {
    for (const { sink } of this.#connections) sink.writable();
  }

  #accept(link: Link): void {
    const { clock, link: options, highWaterMark, address, path, accept } = this.#options;
    const connection: LinkConnection = new LinkConnection(
      this.#mediumOf(link, () => this.#connections.delete(connection)),
      link,
      { clock, link: options, highWaterMark },
    );
    this.#connections.add(connection);
    accept(connection, `serial:${path}/${address}`);
  }

  #mediumOf(link: Link, onClose: () => void): PacketMedium {
    const acceptor = this.#acceptor;
    const turn = (): Turn | undefined => this.#turn;
    return {
      open: async () => undefined,
      get isWritable() {
        return turn()?.isOver === false;
      },
      write: (packet) => turn()?.write(packet),
      close: () => {
        onClose();
        acceptor.forget(link);
      },
    };
  }
}

const MISSES_OF_ABSENT = 3;
/** Until a node that had nothing to say is asked again. */
const IDLE_PAUSE_MS = 50;
const ABSENT_PAUSE_MS = 1_000;
const MAX_PATIENCE_MS = 500;
