/** What a listener has told of the connections that came to it: who was refused and why, and how those ended that were let in. */
import type { ListenerEvents, Unsubscribe } from '../../src/index.js';

/** The part of a listener that is read, whatever package it comes from. */
export interface Teller {
  on<Name extends keyof ListenerEvents>(event: Name, listener: (event: ListenerEvents[Name]) => void): Unsubscribe;
}

export class Ledger {
  /** Codes of those that were not let in. */
  readonly refused: Record<string, number> = {};
  /** Codes of those that were let in and have ended; `ordinary` for a farewell. */
  readonly ended: Record<string, number> = {};
  readonly #refusedBy: Record<string, number> = {};
  readonly #endedBy: Record<string, number> = {};
  readonly #unsubscribe: Unsubscribe[];

  constructor(listener: Teller) {
    this.#unsubscribe = [
      listener.on('refused', ({ address = '', error }) => {
        count(this.refused, error.code);
        count(this.#refusedBy, address);
      }),
      listener.on('connection', ({ activity, address = '', error }) => {
        if (activity !== 'stopped') return;
        count(this.ended, error === undefined ? 'ordinary' : error.code);
        count(this.#endedBy, address);
      }),
    ];
  }

  /** How many ends of connections from these addresses were told. */
  told(addresses: readonly string[]): number {
    return addresses.reduce((sum, address) => sum + (this.#refusedBy[address] ?? 0) + (this.#endedBy[address] ?? 0), 0);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1;
}
