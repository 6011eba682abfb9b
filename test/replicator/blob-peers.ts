/** Two folders of blobs and a link between them: the first end fetches, the second serves. */
import type { TestContext } from 'node:test';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncomingRequest } from '../../src/blip/index.js';
import { BlobLeases } from '../../src/database/blob-leases.js';
import type { BlobReference } from '../../src/database/index.js';
import { ReplicationBlobs } from '../../src/database/replication-blobs.js';
import { loopbackPair } from '../../src/endpoint/index.js';
import { BlobFetcher, type FetchOptions } from '../../src/replicator/blob-fetcher.js';
import { BlobServer } from '../../src/replicator/blob-server.js';
import { MessageChannel } from '../../src/replicator/message-channel.js';
import { SharedBlobs } from '../../src/replicator/shared-blobs.js';
import { BlobStore } from '../../src/storage/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

export function referenceTo(content: Uint8Array, more: Partial<BlobReference> = {}): BlobReference {
  const digest = `sha1-${createHash('sha1').update(content).digest('base64')}`;
  return { digest, length: content.length, ...more };
}

export async function blobPeers(
  context: TestContext,
  onRequest?: (request: IncomingRequest, channel: MessageChannel) => void,
) {
  const folder = await temporaryDirectory(context);
  const [mine, theirs] = [await BlobStore.open(join(folder, 'mine')), await BlobStore.open(join(folder, 'theirs'))];
  const pair = loopbackPair();
  const logger = memoryLogger();
  const requests: Record<string, string>[] = [];
  const asking = new MessageChannel({ connection: pair.a, logger, onRequest: () => undefined });
  const answering: MessageChannel = new MessageChannel({
    connection: pair.b,
    logger,
    onRequest: (request) => {
      requests.push(Object.fromEntries(request.properties.entries()));
      if (onRequest === undefined) server.handle(request);
      else onRequest(request, answering);
    },
  });
  const shared = new SharedBlobs();
  const server = new BlobServer({ channel: answering, blobs: new ReplicationBlobs(theirs), shared, logger });
  const leases = new BlobLeases(mine);
  /** How often somebody has found out whether a content is here. */
  const lookups = { count: 0 };
  const fetcher = new BlobFetcher({ channel: asking, blobs: new ReplicationBlobs(mine) });
  await Promise.all([asking.open(), answering.open()]);
  cleanup(context, () => asking.shutDown());
  return {
    ...{ folder, mine, theirs, asking, answering, requests, shared, server, fetcher, lookups },
    lines: logger.lines,
    cut: pair.cut,
    /** Puts a content there and shares it. */
    offer: async (content: Uint8Array, more: Partial<BlobReference> = {}): Promise<BlobReference> => {
      const { digest } = await theirs.put(content);
      shared.add([digest]);
      return referenceTo(content, more);
    },
    fetch: async (
      references: readonly BlobReference[],
      options: Partial<FetchOptions> & { readonly id?: string } = {},
    ): Promise<void> => {
      const lease = leases.lease();
      const keep = lease.keep.bind(lease);
      lease.keep = async (digest) => {
        const isHere = await keep(digest);
        lookups.count++;
        return isHere;
      };
      try {
        const { id = 'doc', ...rest } = options;
        await fetcher.fetchMissing(id, 0, references, { size: 100, lease, ...rest });
      } finally {
        lease.release();
      }
    },
    /** What lies in the folder of the one who fetches, unfinished files included. */
    files: () => readdir(join(folder, 'mine')),
  };
}
