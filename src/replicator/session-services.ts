/** What all parts of one session share. */
import type { Clock, Logger } from '../base/index.js';
import type { BlobFetcher } from './blob-fetcher.js';
import type { InsertBacklog } from './insert-backlog.js';
import type { MessageChannel } from './message-channel.js';
import type { RevSender } from './rev-sender.js';
import type { SessionObserver } from './session-events.js';

export interface SessionServices {
  readonly channel: MessageChannel;
  readonly backlog: InsertBacklog;
  readonly blobFetcher: BlobFetcher;
  readonly sender: RevSender;
  readonly observer: SessionObserver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether deltas are taken, and sent to a peer that takes them (specification 7.1). */
  readonly deltas: boolean;
  /** Whether many small revisions may go into one message, to and from a peer that knows it (`rev-batch.ts`). */
  readonly batches: boolean;
}
