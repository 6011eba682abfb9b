/**
 * Who speaks on a bus: nobody does unasked, so no two speak at once. One node after the other is given the turn, those with
 * something to say more often, and those that do not answer now and then, for they may have been switched on. Knows no port.
 *
 * Invariant: one has the turn at a time, and it comes back: with a frame that says so, when the line has been silent, or when
 * there has been noise for longer than anybody may speak.
 */
import type { Clock, Timer } from '../../src/index.js';
import { BUS_HEADER_SIZE, decodeBusFrame } from './bus-frame.js';
import { FrameDecoder } from './framing.js';
import { longestTurn, Turn, turnBudget } from './turn.js';

/** A node as it is seen from here. */
export interface TurnTaker {
  readonly address: number;
  /** When it is to have the turn again. */
  readonly dueAt: number;
  /** It does not answer any more, or never has. */
  readonly isAbsent: boolean;
  /** How long the line may be silent until the turn that it was given counts as lost. */
  readonly patienceMs: number;
  /** Says in this turn what is to be said to it. */
  speak(turn: Turn): void;
  /** A frame of it has come. */
  heard(packet: Uint8Array | undefined): void;
  /** It has passed the turn back. */
  answered(): void;
  /** It has not used its turn. */
  missed(): void;
  /** It passed the turn back when it had it no more: it needs more time than it was given. */
  wasLate(): void;
}

export interface TurnGiverOptions {
  readonly nodes: readonly TurnTaker[];
  readonly maxPacketSize: number;
  readonly lineBytesPerSecond: number;
  readonly clock: Clock;
  readonly port: { readonly writable: boolean; write(bytes: Uint8Array): void };
}

export class TurnGiver {
  readonly #options: TurnGiverOptions;
  #frames: FrameDecoder;
  /** Whose turn it is. */
  #holder: TurnTaker | undefined;
  /** When all that was said to it will have left. */
  #askedAt = 0;
  /** When its turn is over, whatever is heard. */
  #endsAt = 0;
  /** Fires when the turn has been lost, or when the next node is due. */
  #timer: Timer | undefined;
  /** When a node that does not answer may be asked again, whichever that is. */
  #absentAt = 0;

  constructor(options: TurnGiverOptions) {
    this.#options = options;
    this.#frames = this.#newDecoder();
  }

  /** The line is there, and nobody has spoken on it yet. */
  start(): void {
    this.stop();
    this.#next();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#holder = undefined;
    this.#frames = this.#newDecoder();
  }

  received(bytes: Uint8Array): void {
    const holder = this.#holder;
    for (const content of this.#frames.push(bytes)) {
      const frame = decodeBusFrame(content);
      if (frame === undefined || frame.fromGateway) continue;
      const node = this.#options.nodes.find(({ address }) => address === frame.address);
      if (node === undefined) continue;
      node.heard(frame.packet);
      if (!frame.passesTurn) continue;
      if (node === this.#holder) this.#turnPassed(node);
      else node.wasLate();
    }
    // Somebody is speaking: the silence after which the turn is lost begins anew.
    if (holder !== undefined && holder === this.#holder) this.#expectAnswer(holder);
  }

  #newDecoder(): FrameDecoder {
    return new FrameDecoder({ maxContent: this.#options.maxPacketSize + BUS_HEADER_SIZE });
  }

  /** Gives the turn to the node that has waited longest, or waits until one is due. */
  #next(): void {
    const { nodes, clock, port } = this.#options;
    if (!port.writable) return this.#wait(STUCK_PAUSE_MS, () => this.#next());
    const now = clock.monotonic();
    let first: TurnTaker | undefined;
    let firstAt = Infinity;
    for (const node of nodes) {
      const dueAt = node.isAbsent ? Math.max(node.dueAt, this.#absentAt) : node.dueAt;
      if (first !== undefined && (dueAt > firstAt || (dueAt === firstAt && node.dueAt >= first.dueAt))) continue;
      first = node;
      firstAt = dueAt;
    }
    if (first === undefined) return;
    const chosen = first;
    if (firstAt <= now) this.#give(chosen, now);
    else this.#wait(firstAt - now, () => this.#next());
  }

  #give(node: TurnTaker, now: number): void {
    const { lineBytesPerSecond, maxPacketSize, port } = this.#options;
    if (node.isAbsent) this.#absentAt = now + ABSENT_PAUSE_MS;
    const turn = new Turn({ fromGateway: true, address: node.address }, turnBudget(lineBytesPerSecond), (bytes) =>
      port.write(bytes),
    );
    node.speak(turn);
    const msOf = (bytes: number): number => (1_000 * bytes) / lineBytesPerSecond;
    this.#askedAt = now + msOf(turn.end());
    // Twice as long as it may take: what an adapter passes on in pieces takes longer.
    this.#endsAt = this.#askedAt + 2 * (node.patienceMs + msOf(longestTurn(lineBytesPerSecond, maxPacketSize)));
    this.#holder = node;
    this.#expectAnswer(node);
  }

  #expectAnswer(node: TurnTaker): void {
    const now = this.#options.clock.monotonic();
    if (now >= this.#endsAt) return this.#turnLost(node);
    const lostAt = Math.min(Math.max(now, this.#askedAt) + node.patienceMs, this.#endsAt);
    this.#wait(lostAt - now, () => {
      const isLate = this.#options.clock.monotonic() > lostAt + LATE_MS;
      // This process was busy with other things: what has arrived meanwhile is read first.
      if (isLate) this.#wait(LATE_MS, () => this.#turnLost(node));
      else this.#turnLost(node);
    });
  }

  #turnPassed(node: TurnTaker): void {
    this.#holder = undefined;
    node.answered();
    this.#next();
  }

  #turnLost(node: TurnTaker): void {
    this.#holder = undefined;
    node.missed();
    this.#next();
  }

  #wait(ms: number, then: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(ms, then);
  }
}

/** Between two questions to nodes that do not answer: each costs the others a turnaround. */
const ABSENT_PAUSE_MS = 250;
/** Until it is looked again whether a port that takes nothing does now: what nobody takes must not pile up. */
const STUCK_PAUSE_MS = 100;
/** A timer that fires later than this was held up. */
const LATE_MS = 5;
