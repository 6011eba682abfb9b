/** Documents with blobs between real databases (features C4). Numbers are those of the scenarios. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Blob, seededRandom, type MessageEndpointConnection } from '../../src/index.js';
import { documentProblems } from '../support/document-problems.js';
import { link, openPeer, sync, whenChanged, type Peer } from '../support/peers.js';
import { blobBytes } from '../support/raw-pull.js';

const LIMIT = { timeout: 120_000 };
const MIB = 1024 * 1024;

function bytesOf(length: number, seed: number): Buffer {
  return Buffer.from(seededRandom(seed).bytes(length));
}

function digestOf(bytes: Uint8Array): string {
  return `sha1-${createHash('sha1').update(bytes).digest('base64')}`;
}

/** The picture of a document, as it is stored. */
async function picture({ metrics }: Peer, id: string): Promise<{ digest: string; length: number }> {
  return (await metrics.get(id))?.body.picture as { digest: string; length: number };
}

async function storedBlobs({ database }: Peer): Promise<number> {
  return (await readdir(`${database.path}/blobs`)).length;
}

describe('blobs', LIMIT, () => {
  for (const type of ['push', 'pull'] as const) {
    it(`95. arrive with their document in a ${type}, stored once`, async (context) => {
      const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
      const [from, to] = type === 'push' ? [a, b] : [b, a];
      const bytes = bytesOf(100_000, 1);
      for (const id of ['one', 'two']) await from.metrics.save(id, { id, picture: new Blob('image/jpeg', bytes) });
      const { replicator } = link(a, b, { type });
      const problems = documentProblems(replicator);
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      for (const id of ['one', 'two']) {
        const stored = await picture(to, id);
        assert.deepEqual(stored, { ...(await picture(from, id)), digest: digestOf(bytes), length: bytes.length });
        assert.ok((await blobBytes(to.database, stored)).equals(bytes));
      }
      assert.equal(await storedBlobs(to), 1);
      assert.deepEqual(problems, []);
      assert.deepEqual(await to.database.integrityCheck(), []);
    });

    it(`96. may be large, or many, in a ${type}`, async (context) => {
      const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
      const [from, to] = type === 'push' ? [a, b] : [b, a];
      const large = bytesOf(10 * MIB, 2);
      await from.metrics.save('large', { picture: new Blob('application/octet-stream', large) });
      const small = Array.from({ length: 1_000 }, (_, index) => Buffer.from(`note ${index}`));
      for (let document = 0; document < 10; document++) {
        const notes = small.slice(document * 100, document * 100 + 100);
        await from.metrics.save(`small-${document}`, { notes: notes.map((note) => new Blob('text/plain', note)) });
      }
      await sync(a, b, { type });
      assert.ok((await blobBytes(to.database, await picture(to, 'large'))).equals(large));
      for (let document = 0; document < 10; document++) {
        const notes = (await to.metrics.get(`small-${document}`))?.body.notes as unknown[];
        for (const [index, note] of notes.entries()) {
          assert.deepEqual(await blobBytes(to.database, note), small[document * 100 + index]);
        }
      }
      assert.equal(await storedBlobs(to), 1_001);
    });

    it(`112. arrive whole when a ${type} is suspended in the middle of one and resumed`, async (context) => {
      const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
      const [from, to] = type === 'push' ? [a, b] : [b, a];
      const bytes = bytesOf(3 * MIB, 3);
      await from.metrics.save('d', { picture: new Blob('image/jpeg', bytes) });
      let [moved, isInTheMiddle]: [number, (() => void) | undefined] = [0, undefined];
      const inTheMiddle = new Promise<void>((resolve) => void (isInTheMiddle = resolve));
      const count = (length: number): void => {
        moved += length;
        if (moved > MIB) isInTheMiddle?.();
      };
      const around = (connection: MessageEndpointConnection): MessageEndpointConnection => ({
        open: (replicator) =>
          connection.open({
            receive: (message) => {
              count(message.length);
              return replicator.receive(message);
            },
            close: (error) => replicator.close(error),
          }),
        send: (message) => {
          count(message.length);
          return connection.send(message);
        },
        close: (error) => connection.close(error),
      });
      const { replicator, connections } = link(a, b, { type, continuous: true, around });
      replicator.start();
      await inTheMiddle;
      replicator.suspend();
      assert.equal(await to.metrics.get('d'), undefined, 'no document without its blob');
      assert.ok(moved < bytes.length, 'it was over before it was suspended');
      replicator.resume();
      await whenChanged(to.metrics, async () => (await to.metrics.get('d')) !== undefined);
      const stored = await picture(to, 'd');
      assert.equal(stored.digest, digestOf(bytes));
      assert.ok((await blobBytes(to.database, stored)).equals(bytes));
      assert.equal(connections(), 2);
      await replicator.stop();
    });
  }
});
