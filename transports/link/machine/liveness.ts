/**
 * Whether the peer is still there. A peer that has been quiet is asked; one that owes an answer, to data or to a question, and is
 * not heard for long enough is given up. Times in milliseconds.
 */
import type { RoundTrip } from './round-trip.js';

export interface LivenessOptions {
  readonly keepAliveMs: number;
  readonly giveUpMs: number;
  readonly roundTrip: RoundTrip;
}

export class Liveness {
  readonly #options: LivenessOptions;
  #heardAt: number;
  /** Since when an answer is owed; undefined while none is. */
  #owedSince: number | undefined;
  #isQuestionDue = false;
  /** A question is out. */
  #isAsking = false;
  #askedAt = -Infinity;
  /** Questions in a row that changed nothing. */
  #questions = 0;

  constructor(options: LivenessOptions, now: number) {
    this.#options = options;
    this.#heardAt = now;
  }

  /** Whether a question has to leave. */
  get isQuestionDue(): boolean {
    return this.#isQuestionDue;
  }

  /** When the peer is given up; infinite while it owes nothing. */
  get silentAt(): number {
    return this.#owedSince === undefined ? Infinity : this.#owedSince + this.#options.giveUpMs;
  }

  /**
   * When a question becomes due.
   * @param isBlocked the peer takes nothing more: it is asked whether it does now, ever less often
   */
  askAt(isBlocked: boolean): number {
    if (this.#isQuestionDue) return Infinity;
    const { keepAliveMs, roundTrip } = this.#options;
    if (!this.#isAsking && !isBlocked) return this.#heardAt + keepAliveMs;
    return Math.max(this.#askedAt, this.#heardAt) + roundTrip.timeoutMs(this.#questions);
  }

  ask(): void {
    this.#isQuestionDue = true;
  }

  asked(now: number): void {
    this.#isQuestionDue = false;
    this.#isAsking = true;
    this.#askedAt = now;
    this.#questions++;
    this.owes(now);
  }

  /** Something was sent that the peer has to answer. */
  owes(now: number): void {
    this.#owedSince ??= now;
  }

  /**
   * The peer was heard.
   * @param owesMore there is something else that it has not answered
   */
  heard(now: number, owesMore: boolean, isBlocked: boolean): void {
    this.#heardAt = now;
    this.#isAsking = false;
    if (!isBlocked) this.#questions = 0;
    this.#owedSince = owesMore ? now : undefined;
  }
}
