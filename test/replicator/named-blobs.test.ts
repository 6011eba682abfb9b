/**
 * A peer that names a content which is here, in a document that it pushes: it gets it only if it has it, or if the document
 * has it (specification 3.12). Blobs belong to the whole database, and the peer sees a collection of it.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { Blob, seededRandom } from '../../src/index.js';
import { proofOf } from '../../src/replicator/blob-proof.js';
import { revisionID, settled } from '../support/hostile.js';
import { openPeer, sync, type Peer } from '../support/peers.js';
import type { RawReply, RawRequest } from '../support/raw-blip-peer.js';
import { serveRestricted, type RecordingPeer } from './restricted.js';

const LIMIT = { timeout: 120_000 };
const LARGE = seededRandom(1).bytes(50_000);
const SMALL = Buffer.from('positive');
const A1 = revisionID(1);
const COLLECTION = { collection: '0' };

function blobOf(content: Uint8Array): { '@type': string; digest: string; length: number } {
  const digest = `sha1-${createHash('sha1').update(content).digest('base64')}`;
  return { '@type': 'blob', digest, length: content.length };
}

/** Ours, with both contents in a collection that the peer does not see. */
async function openOurs(context: TestContext): Promise<Peer> {
  const ours = await openPeer(context, 'ours');
  const secret = await ours.database.createCollection('secret');
  for (const content of [LARGE, SMALL])
    await secret.save(`${content.length}`, { pic: new Blob('application/octet-stream', content) });
  return ours;
}

async function connect(context: TestContext, ours: Peer): Promise<RecordingPeer> {
  const raw = await serveRestricted(context, ours, [[ours.metrics, 'rw']]);
  await raw.request({ Profile: 'getCollections' }, '{"collections":["metrics"],"checkpoint_ids":["cp"]}');
  return raw;
}

/** A first revision with one blob. */
function push(
  raw: RecordingPeer,
  id: string,
  content: Uint8Array,
  more: Record<string, string> = {},
): Promise<RawReply> {
  const properties = { Profile: 'rev', ...COLLECTION, id, rev: A1, ...more };
  return raw.request(properties, JSON.stringify({ pic: blobOf(content) }));
}

/** What the peer was asked for. */
function asked(raw: RecordingPeer): string[] {
  return raw.requests.map(({ profile }) => profile);
}

async function answerProof(raw: RecordingPeer, content: Uint8Array): Promise<void> {
  const request = await raw.next('proveAttachment');
  assert.equal(request.incoming.body.length, 20);
  raw.reply(request, await proofFor(request, content));
}

function proofFor(request: RawRequest, content: Uint8Array): Promise<string> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield content;
  }
  return proofOf(request.incoming.body, pieces(), { isEnded: false });
}

describe('a content of others that a peer names', LIMIT, () => {
  for (const [how, refuse] of [
    ['says that it has none', (raw, request) => raw.refuse(request, 'HTTP/404')],
    ['knows no proofs', (raw, request) => raw.refuse(request, 'BLIP/404')],
    ['guesses', (raw, request) => raw.reply(request, blobOf(SMALL).digest)],
    ['proves nothing', (raw, request) => raw.reply(request, new Uint8Array([255, 0]))],
    [
      'answers with the proof for another content',
      async (raw, request) => raw.reply(request, await proofFor(request, SMALL)),
    ],
  ] as [string, (raw: RecordingPeer, request: RawRequest) => unknown][]) {
    it(`is not joined to its document where it ${how}`, async (context) => {
      const ours = await openOurs(context);
      const raw = await connect(context, ours);
      const reply = push(raw, 'd', LARGE);
      await refuse(raw, await raw.next('proveAttachment'));
      raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
      assert.equal((await reply).error, 'HTTP/404');
      assert.equal(await ours.metrics.count(), 0);
      await raw.request({ Profile: 'subChanges', ...COLLECTION });
      assert.equal((await raw.next('changes')).text, '[]');
      const get = await raw.request({ Profile: 'getAttachment', ...COLLECTION, digest: blobOf(LARGE).digest });
      assert.equal(get.error, 'HTTP/403');
      assert.deepEqual(await ours.database.integrityCheck(), []);
    });
  }

  it('is not learnt of, if it is small enough to be guessed: the peer is asked as if it were not here', async (context) => {
    const frames: string[][] = [];
    for (const ours of [await openOurs(context), await openPeer(context, 'empty')]) {
      const raw = await connect(context, ours);
      const reply = push(raw, 'd', SMALL);
      raw.reply(await raw.next('getAttachment'), SMALL);
      assert.equal((await reply).error, undefined);
      const other = push(raw, 'e', Buffer.from('negative'));
      raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
      assert.equal((await other).error, 'HTTP/404');
      frames.push(raw.frames);
    }
    assert.deepEqual(frames[0], frames[1]);
  });

  it('tells nothing of its length', async (context) => {
    const ours = await openOurs(context);
    const raw = await connect(context, ours);
    const body = JSON.stringify({ pic: { ...blobOf(LARGE), length: 1 } });
    const reply = raw.request({ Profile: 'rev', ...COLLECTION, id: 'd', rev: A1 }, body);
    raw.refuse(await raw.next('proveAttachment'), 'HTTP/404');
    raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
    assert.doesNotMatch((await reply).text, /50000/);
  });

  it('cannot be had through a delta either', async (context) => {
    const ours = await openOurs(context);
    const raw = await serveRestricted(context, ours, [[ours.metrics, 'rw']], { enableDeltaSync: true });
    await raw.request({ Profile: 'getCollections' }, '{"collections":["metrics"],"checkpoint_ids":["cp"]}');
    await raw.request({ Profile: 'proposeChanges', ...COLLECTION }, `[["d","${A1}"]]`);
    assert.equal((await raw.request({ Profile: 'rev', ...COLLECTION, id: 'd', rev: A1 }, '{"n":1}')).error, undefined);
    const properties = { Profile: 'rev', ...COLLECTION, id: 'd', rev: revisionID(2), history: A1, deltaSrc: A1 };
    const reply = raw.request(properties, JSON.stringify({ pic: [blobOf(LARGE)] }));
    raw.refuse(await raw.next('proveAttachment'), 'HTTP/404');
    raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
    assert.equal((await reply).error, 'HTTP/404');
  });
});

describe('a content that is here and that a peer has', LIMIT, () => {
  it('is proved instead of sent, once in a connection', async (context) => {
    const ours = await openOurs(context);
    const raw = await connect(context, ours);
    const first = push(raw, 'd', LARGE);
    await answerProof(raw, LARGE);
    assert.equal((await first).error, undefined);
    assert.equal((await push(raw, 'e', LARGE)).error, undefined);
    assert.deepEqual(asked(raw), ['proveAttachment']);
    assert.equal(await ours.metrics.count(), 2);
    const again = await connect(context, ours);
    const third = push(again, 'f', LARGE);
    await answerProof(again, LARGE);
    assert.equal((await third).error, undefined);
  });

  it('is asked for once by documents that come together', async (context) => {
    const ours = await openOurs(context);
    const raw = await connect(context, ours);
    const replies = ['d', 'e', 'f'].map((id) => push(raw, id, LARGE));
    await answerProof(raw, LARGE);
    for (const reply of replies) assert.equal((await reply).error, undefined);
    assert.deepEqual(asked(raw), ['proveAttachment']);
  });

  it('is not asked for again where the peer has sent it before', async (context) => {
    const ours = await openPeer(context, 'ours');
    const raw = await connect(context, ours);
    const first = push(raw, 'd', LARGE);
    raw.reply(await raw.next('getAttachment'), LARGE);
    assert.equal((await first).error, undefined);
    assert.equal((await push(raw, 'e', LARGE)).error, undefined);
    assert.deepEqual(asked(raw), ['getAttachment']);
  });

  it('is not asked for where the document has it already, and is where it has lost it', async (context) => {
    const ours = await openOurs(context);
    const { revisionID: first } = await ours.metrics.save('d', { pic: new Blob('application/octet-stream', LARGE) });
    const raw = await connect(context, ours);
    const second = revisionID(2);
    assert.equal((await push(raw, 'd', LARGE, { rev: second, history: first })).error, undefined);
    assert.deepEqual(asked(raw), []);
    await ours.metrics.save('d', { pic: null });
    const reply = push(raw, 'e', LARGE);
    raw.refuse(await raw.next('proveAttachment'), 'HTTP/404');
    raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
    assert.equal((await reply).error, 'HTTP/404');
  });

  it('is still checked against the length that the document announces', async (context) => {
    const ours = await openOurs(context);
    const raw = await connect(context, ours);
    const body = JSON.stringify({ pic: { ...blobOf(LARGE), length: 1 } });
    const reply = raw.request({ Profile: 'rev', ...COLLECTION, id: 'd', rev: A1 }, body);
    await answerProof(raw, LARGE);
    assert.equal((await reply).error, 'HTTP/400');
  });

  it('is proved by a replicator of ours, without a byte of it on the link', async (context) => {
    const ours = await openOurs(context);
    const theirs = await openPeer(context, 'theirs');
    await theirs.metrics.save('d', { pic: new Blob('application/octet-stream', LARGE) });
    await theirs.metrics.save('e', { pic: new Blob('application/octet-stream', LARGE) });
    let bytes = 0;
    await sync(theirs, ours, {
      type: 'push',
      around: (connection) => ({
        open: (replicator) => connection.open(replicator),
        close: (error) => connection.close(error),
        send: (message) => {
          bytes += message.length;
          return connection.send(message);
        },
      }),
    });
    assert.equal(await ours.metrics.count(), 2);
    assert.ok(bytes < LARGE.length / 5, `${bytes} bytes were sent`);
    assert.deepEqual(await ours.database.integrityCheck(), []);
  });

  it('ends nothing but its document where the connection ends meanwhile', async (context) => {
    const ours = await openOurs(context);
    const raw = await connect(context, ours);
    void push(raw, 'd', LARGE).catch(() => undefined);
    await raw.next('proveAttachment');
    await raw.leave();
    const next = await connect(context, ours);
    await settled(next);
    assert.equal(await ours.metrics.count(), 0);
    assert.deepEqual(await ours.database.integrityCheck(), []);
  });
});
