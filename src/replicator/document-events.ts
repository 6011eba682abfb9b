/**
 * Collects what became of documents and tells it in batches (Couchbase Lite's document replication events): at most every
 * 200 ms, sooner where a batch is full, and before the status that follows from them. Costs nothing while nobody listens.
 */
import type { Clock, Timer } from '../base/index.js';
import { DEFAULT_NAME } from '../database/index.js';
import type { HawserError } from '../errors.js';
import type { DocumentFlags } from './collection-configuration.js';
import type { DocumentOutcome } from './session-events.js';

/** A document that was transferred, or could not be. */
export interface ReplicatedDocument {
  readonly id: string;
  readonly scope: string;
  readonly collection: string;
  readonly flags: DocumentFlags;
  /** Why it could not be transferred; the replication goes on without it. */
  readonly error?: HawserError;
}

/** Documents that went the same way, in the order in which they were settled. Those that needed no transfer are not told. */
export interface DocumentReplication {
  readonly isPush: boolean;
  readonly documents: readonly ReplicatedDocument[];
}

export interface DocumentEventsOptions {
  readonly clock: Clock;
  readonly isWanted: () => boolean;
  readonly tell: (event: DocumentReplication) => void;
}

export class DocumentEvents {
  readonly #options: DocumentEventsOptions;
  #pushed: ReplicatedDocument[] = [];
  #pulled: ReplicatedDocument[] = [];
  #timer: Timer | undefined;

  constructor(options: DocumentEventsOptions) {
    this.#options = options;
  }

  add({ collection, documentID, isPush, flags, error }: DocumentOutcome): void {
    const { clock, isWanted } = this.#options;
    if (!isWanted()) return;
    const batch = isPush ? this.#pushed : this.#pulled;
    batch.push({ id: documentID, ...namesOf(collection), flags, ...(error === undefined ? {} : { error }) });
    if (batch.length >= MAX_BATCH) this.flush();
    else this.#timer ??= clock.setTimer(INTERVAL_MS, () => this.flush());
  }

  /** Tells what is there. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const [pushed, pulled] = [this.#pushed, this.#pulled];
    [this.#pushed, this.#pulled] = [[], []];
    if (pushed.length > 0) this.#options.tell({ isPush: true, documents: pushed });
    if (pulled.length > 0) this.#options.tell({ isPush: false, documents: pulled });
  }
}

/** The two parts of a collection's name on the wire; neither can contain a dot. */
function namesOf(name: string): { readonly scope: string; readonly collection: string } {
  const dot = name.indexOf('.');
  return dot < 0
    ? { scope: DEFAULT_NAME, collection: name }
    : { scope: name.slice(0, dot), collection: name.slice(dot + 1) };
}

const INTERVAL_MS = 200;
const MAX_BATCH = 1_000;
