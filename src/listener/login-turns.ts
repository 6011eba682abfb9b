/**
 * Whose password is checked next. Checks that run at the same time are few, in all and for each address, and one at a time for a
 * name from an address: a thousand guesses at once are not all judged before the first has failed.
 */
import { addressGroup } from './address-group.js';

export interface LoginTurnsOptions {
  readonly maxWaiting: number;
  readonly maxWaitingPerAddress: number;
}

export interface Login {
  readonly address: string | undefined;
  /** Who the peer says it is. `undefined` where nobody is asked for a proof. */
  readonly claim: string | undefined;
  /** Fires when the peer has gone: it is not waited for any more. */
  readonly signal: AbortSignal | undefined;
}

interface Waiting extends Login {
  readonly group: string;
  /** What is called when it is its turn, or when it has gone. */
  readonly proceed: (turn: Turn | undefined) => void;
}

/** The right to check one password. */
export interface Turn {
  /** Idempotent. */
  end(): void;
}

export class LoginTurns {
  readonly #options: LoginTurnsOptions;
  readonly #running = new Set<Waiting>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();

  constructor(options: LoginTurnsOptions) {
    this.#options = options;
  }

  /** Resolves when it is its turn; to `undefined` if too many wait already, or the peer has gone. */
  take({ address, claim, signal }: Login): Promise<Turn | undefined> {
    const group = addressGroup(address) ?? '';
    const { maxWaiting, maxWaitingPerAddress } = this.#options;
    const isFull = this.#waiting.size >= maxWaiting || count(this.#waiting, group) >= maxWaitingPerAddress;
    if (isFull || signal?.aborted === true) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const login: Waiting = { address, claim, signal, group, proceed: resolve };
      this.#waiting.add(login);
      signal?.addEventListener('abort', () => this.#leave(login), { once: true });
      this.#proceed();
    });
  }

  #proceed(): void {
    for (const login of this.#waiting) {
      if (this.#running.size >= MAX_RUNNING) return;
      if (!this.#mayRun(login)) continue;
      this.#waiting.delete(login);
      this.#running.add(login);
      login.proceed({
        end: () => {
          if (this.#running.delete(login)) this.#proceed();
        },
      });
    }
  }

  #mayRun({ group, claim }: Waiting): boolean {
    if (count(this.#running, group) >= MAX_RUNNING_PER_ADDRESS) return false;
    return claim === undefined || ![...this.#running].some((other) => other.group === group && other.claim === claim);
  }

  #leave(login: Waiting): void {
    if (this.#waiting.delete(login)) login.proceed(undefined);
  }
}

function count(logins: ReadonlySet<Waiting>, group: string): number {
  return [...logins].filter((login) => login.group === group).length;
}

const MAX_RUNNING = 16;
const MAX_RUNNING_PER_ADDRESS = 4;
