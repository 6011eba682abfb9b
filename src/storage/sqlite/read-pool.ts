/**
 * The reading connections, each lent to one caller at a time, first come first served. In WAL mode they see what was
 * committed before their statement began and never wait for the writer. Invariant: no lease outlives its callback.
 */
import { deferred, type Deferred } from '../../base/index.js';
import type { Connection } from './connection.js';

export class ReadPool {
  readonly #all: readonly Connection[];
  readonly #idle: Connection[];
  readonly #waiting: Deferred<Connection>[] = [];

  constructor(connections: readonly Connection[]) {
    this.#all = connections;
    this.#idle = [...connections];
  }

  /** Runs `work` with a connection of its own. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#idle.pop() ?? (await this.#next());
    try {
      return await work(connection);
    } finally {
      this.#release(connection);
    }
  }

  /** Runs `work` while nobody reads. Called by one at a time: two that wait for each other's connections would never end. */
  async pause<T>(work: () => Promise<T>): Promise<T> {
    const held: Connection[] = [];
    try {
      for (let count = 0; count < this.#all.length; count++) held.push(this.#idle.pop() ?? (await this.#next()));
      return await work();
    } finally {
      for (const connection of held) this.#release(connection);
    }
  }

  /** Waits for the readers, then closes the connections. No `use` may be called after it. */
  async close(): Promise<void> {
    await this.pause(async () => {
      for (const connection of this.#all) await connection.close();
    });
  }

  #next(): Promise<Connection> {
    const turn = deferred<Connection>();
    this.#waiting.push(turn);
    return turn.promise;
  }

  #release(connection: Connection): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(connection);
    else next.resolve(connection);
  }
}
