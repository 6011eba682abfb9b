import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../../src/base/index.js';
import type { RemoteError } from '../../src/blip/index.js';
import { SharedBlobs } from '../../src/replicator/shared-blobs.js';
import { MAX_BLOBS_SERVED } from '../../src/replicator/tuning.js';
import { blobPeers, referenceTo } from './blob-peers.js';

const LIMIT = { timeout: 120_000 };
const HELLO = Buffer.from('Hello, Couchbase blob!');
/** 00 01 … 13 */
const NONCE = Uint8Array.from({ length: 20 }, (_, index) => index);
const ask = (digest: string, more: Record<string, string> = {}) => ({
  properties: { Profile: 'getAttachment', docID: 'doc', digest, ...more },
});
const prove = (digest: string, body: Uint8Array) => ({ properties: { Profile: 'proveAttachment', digest }, body });
const shown = (error: RemoteError | undefined): string =>
  error === undefined ? 'none' : `${error.domain}/${error.code}`;
const fileOf = (digest: string): string => Buffer.from(digest.slice('sha1-'.length), 'base64').toString('hex');

describe('a blob that a peer asks for', LIMIT, () => {
  it('comes as it is, compressed if wanted, empty or large', async (context) => {
    const { offer, asking, server } = await blobPeers(context);
    for (const content of [
      HELLO,
      Buffer.alloc(0),
      Buffer.alloc(200_000, 'again and '),
      seededRandom(1).bytes(500_000),
    ]) {
      const { digest } = await offer(content);
      for (const more of [{}, { compress: 'true' }] as Record<string, string>[]) {
        const before = asking.traffic.received;
        const answer = await asking.request(ask(digest, more));
        assert.deepEqual(Buffer.from(answer.body), Buffer.from(content));
        if (content.length === 200_000)
          assert.equal(asking.traffic.received - before < 20_000, more['compress'] === 'true');
      }
    }
    await server.settled();
  });

  it('is refused if no revision with it is on its way, though it is here', async (context) => {
    const { theirs, shared, asking } = await blobPeers(context);
    const { digest } = await theirs.put(HELLO);
    assert.equal(shown((await asking.request(ask(digest))).error), 'HTTP/403');
    assert.equal(shown((await asking.request(prove(digest, NONCE))).error), 'HTTP/403');
    shared.add([digest]);
    assert.equal(shown((await asking.request(ask(digest))).error), 'none');
    shared.remove([digest]);
    assert.equal(shown((await asking.request(ask(digest))).error), 'HTTP/403');
  });

  it('is refused if it is not here, or not named as a blob is', async (context) => {
    const { shared, asking } = await blobPeers(context);
    const { digest } = referenceTo(HELLO);
    shared.add([digest]);
    assert.equal(shown((await asking.request(ask(digest))).error), 'HTTP/404');
    for (const bad of ['', 'sha1-', 'md5-abc', '../../etc/passwd', `${digest}=`, digest.slice(0, -2)])
      assert.equal(shown((await asking.request(ask(bad))).error), 'LiteCore/9', bad);
    const body = new Uint8Array(10);
    assert.equal(shown((await asking.request({ ...ask(digest), body })).error), 'BLIP/400');
  });

  it('gets no answer where none is wanted', async (context) => {
    const { offer, asking, answering, server } = await blobPeers(context);
    const { digest } = await offer(HELLO);
    asking.notify(ask(digest));
    asking.notify(prove(digest, NONCE));
    assert.equal(Buffer.from((await asking.request(ask(digest))).body).toString(), String(HELLO));
    await server.settled();
    assert.equal(answering.isEnded, false);
  });

  it('that is damaged on disk costs the one who checks it a document, not the connection', async (context) => {
    const { offer, fetch, files, folder, asking } = await blobPeers(context);
    const reference = await offer(seededRandom(2).bytes(100_000));
    await writeFile(join(folder, 'theirs', fileOf(reference.digest)), seededRandom(3).bytes(100_000));
    await assert.rejects(fetch([reference]), { code: 'BLOB_CORRUPT' });
    await writeFile(join(folder, 'theirs', fileOf(reference.digest)), seededRandom(2).bytes(60_000));
    await assert.rejects(fetch([reference]), { code: 'BLOB_CORRUPT' });
    assert.deepEqual([await files(), asking.isEnded], [[], false]);
  });

  it('that cannot be read ends the connection, so that the document is offered again', async (context) => {
    const { offer, fetch, folder, answering, server, lines } = await blobPeers(context);
    const reference = await offer(HELLO);
    await rm(join(folder, 'theirs', fileOf(reference.digest)));
    await mkdir(join(folder, 'theirs', fileOf(reference.digest)));
    await assert.rejects(fetch([reference]), { code: 'BLIP_CLOSED' });
    const reason = await answering.ended;
    assert.deepEqual([reason?.code, reason?.recoverable, reason?.closeCode], ['CONNECTION_INTERRUPTED', true, 4001]);
    await server.settled();
    assert.ok(
      lines.some((line) => line.includes(reference.digest)),
      lines.join(),
    );
  });
});

describe('a proof', LIMIT, () => {
  it('is the hash of nonce and content', async (context) => {
    const { offer, asking } = await blobPeers(context);
    const { digest } = await offer(HELLO);
    const answer = await asking.request(prove(digest, NONCE));
    assert.equal(Buffer.from(answer.body).toString(), 'sha1-DVFPyvToch40RaZsd2VaDveLZYM=');
    for (const length of [1, 255])
      assert.equal((await asking.request(prove(digest, new Uint8Array(length)))).error, undefined);
  });

  it('needs a nonce that is neither empty nor too long', async (context) => {
    const { offer, asking } = await blobPeers(context);
    const { digest } = await offer(HELLO);
    for (const length of [0, 256, 100_000])
      assert.equal(shown((await asking.request(prove(digest, new Uint8Array(length)))).error), 'BLIP/400');
  });

  it('is not given for what is missing or damaged: a server then asks for the content', async (context) => {
    const { offer, shared, asking, folder } = await blobPeers(context);
    const missing = referenceTo(Buffer.from('missing')).digest;
    shared.add([missing]);
    assert.equal(shown((await asking.request(prove(missing, NONCE))).error), 'HTTP/404');
    const { digest } = await offer(HELLO);
    await writeFile(join(folder, 'theirs', fileOf(digest)), 'Hello, damaged one!');
    assert.equal(shown((await asking.request(prove(digest, NONCE))).error), 'HTTP/404');
  });
});

describe('a peer that wants too much', LIMIT, () => {
  it('gets a few at a time; others wait until it has read them', async (context) => {
    const { offer, asking, answering, server } = await blobPeers(context);
    const size = 400_000;
    const { digest } = await offer(seededRandom(4).bytes(size));
    const answers = Array.from({ length: 10 }, () => asking.requestStream(ask(digest), { maxBytes: size }));
    let begun = 0;
    for (const answer of answers) void answer.then(() => begun++);
    await Promise.all(answers.slice(0, MAX_BLOBS_SERVED));
    for (let turn = 0; turn < 200; turn++) await setImmediate();
    assert.equal(begun, MAX_BLOBS_SERVED);
    assert.ok(answering.queuedBytes < MAX_BLOBS_SERVED * 128 * 1024);
    for (const answer of answers) {
      let read = 0;
      for await (const piece of (await answer).body) read += piece.length;
      assert.equal(read, size);
    }
    await server.settled();
  });

  it('is given up when too many wait', async (context) => {
    const { offer, asking, answering, server } = await blobPeers(context);
    const { digest } = await offer(seededRandom(5).bytes(400_000));
    const answers = Array.from({ length: 1_100 }, () => asking.requestStream(ask(digest), { maxBytes: 400_000 }));
    const rejected = Promise.allSettled(answers);
    assert.equal((await answering.ended)?.code, 'BLIP_TOO_MANY_REQUESTS');
    await server.settled();
    await asking.ended;
    assert.equal((await rejected).length, 1_100);
  });
});

it('what several revisions share is shared until the last of them was answered', () => {
  const shared = new SharedBlobs();
  shared.add(['a', 'b']);
  shared.add(['a', 'a']);
  shared.remove(['a', 'b']);
  assert.deepEqual([shared.has('a'), shared.has('b')], [true, false]);
  shared.remove(['a', 'a']);
  shared.remove(['a']);
  assert.equal(shared.has('a'), false);
  shared.add(['a']);
  assert.equal(shared.has('a'), true);
});
