/** The feed of a collection as an endless loop: pages from disk while there are any, then a wait for the next commit. */
import { checkInteger, checkOptions, deferred } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { StoredDocument } from '../storage/index.js';
import type { CollectionState } from './collection-state.js';
import type { DatabaseEngine } from './engine.js';

export interface ChangesOptions {
  /** Start after this sequence; a feed that is resumed passes the last it has handled. @default 0, the beginning */
  readonly since?: number;
  readonly signal?: AbortSignal;
}

export interface DocumentChange {
  readonly documentID: string;
  readonly revisionID: string;
  readonly sequence: number;
  readonly deleted: boolean;
}

/** @param isClosed whether the loop has to end for the sake of the one who runs it */
export function changeFeed(
  engine: DatabaseEngine,
  collection: CollectionState,
  options: ChangesOptions,
  isClosed: () => boolean,
): AsyncGenerator<DocumentChange, void, undefined> {
  checkOptions('changes', options, ['since', 'signal']);
  const since = options.since === undefined ? 0 : checkInteger('changes: since', options.since, 0);
  const signal = checkSignal('changes', options.signal);
  let wake = deferred();
  let isLeft = false;
  const isOver = (): boolean => isLeft || collection.deleted || isClosed();

  async function* read(): AsyncGenerator<DocumentChange, void, undefined> {
    let position = since;
    const abort = (): void => wake.resolve();
    const unsubscribers = [
      engine.events.on('committed', (change) => {
        if (change.collection === collection) wake.resolve();
      }),
      engine.events.on('collectionDeleted', () => wake.resolve()),
      engine.events.on('closing', () => wake.resolve()),
      () => signal?.removeEventListener('abort', abort),
    ];
    signal?.addEventListener('abort', abort);
    try {
      while (!isOver()) {
        throwIfAborted(signal);
        wake = deferred(); // before the read: a commit during it counts as news
        const page = await readPage(engine, collection, position);
        for (const { id, revisionID, sequence, deleted } of page) {
          if (isOver()) return;
          throwIfAborted(signal);
          position = sequence;
          yield { documentID: id, revisionID, sequence, deleted };
        }
        if (page.length === 0) await wake.promise;
      }
    } finally {
      for (const unsubscribe of unsubscribers) unsubscribe();
    }
  }

  const feed = read();
  const leave = feed.return.bind(feed);
  // A generator leaves only where it yields: one that waits for a commit has to be woken first.
  feed.return = (value) => {
    isLeft = true;
    wake.resolve();
    return leave(value);
  };
  return feed;
}

async function readPage(engine: DatabaseEngine, collection: CollectionState, since: number): Promise<StoredDocument[]> {
  if (collection.key < 0) return [];
  try {
    return await engine.storage.feed({ collection: collection.key, since, limit: PAGE, maxBytes: PAGE_BYTES });
  } catch (error) {
    if (collection.deleted) return []; // while it was read
    throw error;
  }
}

/** Throws `ARGUMENT_INVALID` for what is no signal. */
export function checkSignal(where: string, signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new HawserError('ARGUMENT_INVALID', `${where}: signal must be an AbortSignal`);
}

/** Throws `ABORTED` if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HawserError('ABORTED', 'the loop was aborted', { cause: signal.reason });
}

const PAGE = 200;
/** Bounds what a page of large documents takes in memory. */
const PAGE_BYTES = 1024 * 1024;
