/** Carries out attacks: as many goes as it is told, at a rate that is bounded, and keeps a tally of how each connection ended. */
import { setMaxListeners } from 'node:events';
import { deferred, seededRandom } from '../../src/base/index.js';
import { Mutator } from '../support/mutate.js';
import type { Attack, Strike } from './attack.js';
import { Intruder, upgradeRequest, type PemIdentity, type Target } from './intruder.js';

export interface AssaultOptions {
  readonly target: Target;
  /** Where the connections come from, in turn. */
  readonly addresses: readonly string[];
  readonly seed: number;
  /** Goes in all. @default until `signal` fires */
  readonly count?: number;
  /** @default as fast as goes end */
  readonly perSecond?: number;
  /** How much of its rate and of its crowd the attack has. @default 1 */
  readonly share?: number;
  /** Ends the assault. */
  readonly signal: AbortSignal;
}

/** What came of an assault. Plain data. */
export interface Tally {
  /** TCP connections that were made. */
  opened: number;
  /** Of these: WebSockets that were granted. */
  entered: number;
  /** Ended by the attacker, before it was let in. The listener need not say anything of these. */
  leftOutside: number;
  /** The last words of the listener, where it ended the connection. */
  readonly lastWords: Record<string, number>;
  /** Attempts that did not even make a TCP connection. */
  unconnected: number;
}

export function emptyTally(): Tally {
  return { opened: 0, entered: 0, leftOutside: 0, lastWords: {}, unconnected: 0 };
}

/** Resolves when every connection of it is over. Rejects if the attack has a fault of its own. */
export async function assault(attack: Attack, options: AssaultOptions): Promise<Tally> {
  const { count = Infinity, share = 1, signal, seed } = options;
  const perSecond = options.perSecond === undefined ? undefined : options.perSecond * share;
  const together = Math.ceil((attack.together ?? 40) * share);
  const tally = emptyTally();
  setMaxListeners(0, signal); // every connection that is held
  const random = new Mutator(seededRandom(seed));
  let begun = 0;
  const startedAt = performance.now();
  const worker = async (): Promise<void> => {
    while (begun < count && !signal.aborted) {
      const number = begun++;
      if (perSecond !== undefined) await until(startedAt + (number * 1_000) / perSecond, signal);
      if (signal.aborted) return;
      await attack.go(new Go(options, random, tally, number));
      await nextTurn(); // a go that ends at once must not keep the process from anything else
    }
  };
  await Promise.all(Array.from({ length: Math.min(together, count) }, worker));
  return tally;
}

class Go implements Strike {
  readonly target: Target;
  readonly random: Mutator;
  readonly enough: AbortSignal;
  readonly #address: string;
  readonly #tally: Tally;

  constructor(options: AssaultOptions, random: Mutator, tally: Tally, number: number) {
    this.target = options.target;
    this.random = random;
    this.enough = options.signal;
    this.#address = options.addresses[number % options.addresses.length] ?? '127.0.0.2';
    this.#tally = tally;
  }

  async connect(): Promise<Intruder | undefined> {
    const tally = this.#tally;
    const intruder = await Intruder.connect(this.target, this.#address);
    if (intruder === undefined) {
      tally.unconnected++;
      return undefined;
    }
    tally.opened++;
    void intruder.ended.then(({ by, lastWord, wasIn }) => {
      if (wasIn) tally.entered++;
      if (by === 'them') tally.lastWords[lastWord] = (tally.lastWords[lastWord] ?? 0) + 1;
      else if (!wasIn) tally.leftOutside++;
    });
    return intruder;
  }

  async secure(certificate: PemIdentity | 'none' = this.target.certificate ?? 'none'): Promise<Intruder | undefined> {
    const intruder = await this.connect();
    if (intruder === undefined || !this.target.secure) return intruder;
    return (await intruder.startTls(certificate === 'none' ? undefined : certificate)) ? intruder : undefined;
  }

  async enter(): Promise<Intruder | undefined> {
    const intruder = await this.secure();
    if (intruder === undefined) return undefined;
    if ((await intruder.upgrade(upgradeRequest(this.target))) === 101) return intruder;
    await this.outlast(intruder);
    return undefined;
  }

  async outlast(intruder: Intruder): Promise<void> {
    const leave = (): void => void intruder.leave();
    if (this.enough.aborted) leave();
    this.enough.addEventListener('abort', leave, { once: true });
    await intruder.ended;
    this.enough.removeEventListener('abort', leave);
  }
}

/** Resolves at a time of `performance.now()`, or when the signal fires. */
async function until(time: number, signal: AbortSignal): Promise<void> {
  const wait = time - performance.now();
  if (wait <= 0) return;
  const over = deferred();
  const timer = setTimeout(() => over.resolve(), wait);
  const stop = (): void => over.resolve();
  signal.addEventListener('abort', stop, { once: true });
  await over.promise;
  signal.removeEventListener('abort', stop);
  clearTimeout(timer);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
