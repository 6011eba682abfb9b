/** What became of a received revision, for whoever has to answer it and keeps account (specification 3.9.3). Pure. */
import type { OutgoingMessage, RemoteError } from '../blip/index.js';
import type { HawserError } from '../errors.js';
import { reply } from './remote-errors.js';
import type { RevAnswer } from './rev-batch.js';

export interface Reception {
  /**
   * `done`: stored, or it need not be or never can be. `later`: not now, and the peer is to offer it again. `whole`: its delta
   * was of no use, and the same revision comes once more in full. `broken`: we failed, and so does the session.
   */
  readonly fate: 'done' | 'later' | 'whole' | 'broken';
  readonly answer: OutgoingMessage | { readonly error: RemoteError };
  /** Why it was not taken. */
  readonly error?: HawserError;
  /** In an answer about a batch. */
  readonly inBatch?: RevAnswer;
}

export const EMPTY: OutgoingMessage = { properties: {} };
export const DONE: Reception = { fate: 'done', answer: EMPTY };
export const PRESENT: Reception = { fate: 'done', answer: { properties: { noop: 'true' } }, inBatch: 'present' };
export const CONFLICT = { fate: 'done', answer: { error: reply.http(409, 'conflict') } } as const;
/** Handled, and nothing to tell of: it is offered again when the document changes. */
export const FILTERED: Reception = { fate: 'done', answer: { error: reply.http(403, 'rejected by a filter') } };

/** In an answer about a batch: with our revision, as in one to a proposal. */
export function conflictWith(current: string | undefined): Reception {
  return { ...CONFLICT, inBatch: { error: CONFLICT.answer.error, current } };
}

/** A reception as an entry of the answer to a batch. */
export function batchEntry({ answer, inBatch }: Reception): RevAnswer {
  return inBatch ?? ('error' in answer ? { error: answer.error, current: undefined } : 'sent');
}
