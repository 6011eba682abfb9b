import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../../src/base/index.js';
import type { IncomingRequest } from '../../src/blip/index.js';
import type { BlobReference } from '../../src/database/index.js';
import { isHawserError } from '../../src/errors.js';
import { isCompressible } from '../../src/replicator/blob-fetcher.js';
import type { MessageChannel } from '../../src/replicator/message-channel.js';
import { errorToReply, isTransientReply } from '../../src/replicator/remote-errors.js';
import { MAX_BYTES_AWAITING_BLOBS } from '../../src/replicator/tuning.js';
import { blobPeers, referenceTo } from './blob-peers.js';

const LIMIT = { timeout: 120_000 };
const bytes = (text: string): Uint8Array => Buffer.from(text);
const noise = (size: number, seed = 1): Uint8Array => seededRandom(seed).bytes(size);

/** Requests that wait until the test answers them. */
class Held {
  readonly requests: IncomingRequest[] = [];
  channel: MessageChannel | undefined;
  readonly hold = (request: IncomingRequest, channel: MessageChannel): void => {
    this.requests.push(request);
    this.channel = channel;
  };

  async next(): Promise<IncomingRequest> {
    while (this.requests.length === 0) await setImmediate();
    return this.requests.shift() as IncomingRequest;
  }

  async give(body: Uint8Array): Promise<void> {
    const request = await this.next();
    this.channel?.respond(request, { properties: {}, body });
  }

  async refuse(domain: string, code: number): Promise<void> {
    const request = await this.next();
    this.channel?.respond(request, { error: { domain, code, message: 'no' } });
  }
}

describe('fetching blobs', LIMIT, () => {
  it('brings what is missing, once, and leaves alone what is here', async (context) => {
    const { offer, fetch, mine, requests, files } = await blobPeers(context);
    const contents = ['one', 'two', ''].map(bytes).concat(noise(300_000));
    const references: BlobReference[] = [];
    for (const content of contents) references.push(await offer(content));
    await mine.put(contents[0] as Uint8Array);
    await fetch(references);
    for (const [index, { digest }] of references.entries())
      assert.deepEqual(Buffer.from(await mine.read(digest)), Buffer.from(contents[index] as Uint8Array));
    assert.deepEqual(
      requests.map(({ digest }) => digest),
      references.slice(1).map(({ digest }) => digest),
    );
    await fetch(references);
    assert.deepEqual([requests.length, (await files()).length], [3, 4]);
  });

  it('asks as servers want it: with document, collection and whether to compress', async (context) => {
    const { offer, fetch, requests } = await blobPeers(context);
    const text = await offer(bytes('text'), { contentType: 'text/plain' });
    const image = await offer(bytes('image'), { contentType: 'image/png' });
    await fetch([text, image], { id: 'pic1' });
    const common = { Profile: 'getAttachment', collection: '0', docID: 'pic1' };
    assert.deepEqual(requests, [
      { ...common, digest: text.digest, compress: 'true' },
      { ...common, digest: image.digest },
    ]);
  });

  it('brings many for many documents, a few at a time', async (context) => {
    const { offer, fetch, mine, requests, asking } = await blobPeers(context);
    const contents = Array.from({ length: 60 }, (_, index) => noise(40_000 + index, index));
    const references: BlobReference[] = [];
    for (const content of contents) references.push(await offer(content));
    await Promise.all(
      Array.from({ length: 30 }, (_, document) =>
        // Each blob is wanted by two documents.
        fetch([0, 1, 2, 3].map((index) => references[(document * 2 + index) % 60] ?? referenceTo(bytes('')))),
      ),
    );
    for (const { digest } of references) assert.equal(await mine.has(digest), true);
    assert.equal(requests.length, 60);
    assert.equal(asking.isEnded, false);
  });

  it('has at most four under way', async (context) => {
    const held = new Held();
    const { fetch } = await blobPeers(context, held.hold);
    const contents = Array.from({ length: 10 }, (_, index) => bytes(`content ${index}`));
    const fetches = contents.map((content, index) => fetch([referenceTo(content)], { id: `doc${index}` }));
    for (let answered = 0; answered < 10; answered++) {
      while (held.requests.length < Math.min(4, 10 - answered)) await setImmediate();
      await setImmediate();
      assert.equal(held.requests.length, Math.min(4, 10 - answered));
      const asked = Number(held.requests[0]?.properties.get('docID')?.slice(3));
      await held.give(contents[asked] as Uint8Array);
    }
    await Promise.all(fetches);
  });

  it('shares what is under way, and tries again for itself where another document failed', async (context) => {
    const held = new Held();
    const { fetch, mine, requests, lookups } = await blobPeers(context, held.hold);
    const reference = referenceTo(bytes('shared'));
    const first = fetch([{ ...reference, length: 99 }], { id: 'wrong' });
    const request = await held.next();
    const others = ['a', 'b'].map((id) => fetch([reference], { id }));
    while (lookups.count < 3) await setImmediate();
    held.channel?.respond(request, { properties: {}, body: bytes('shared') });
    await assert.rejects(first, { code: 'BLOB_CORRUPT' });
    await held.give(bytes('shared'));
    await Promise.all(others);
    assert.deepEqual([requests.length, await mine.has(reference.digest)], [2, true]);
  });

  it('shares a failure that may pass', async (context) => {
    const held = new Held();
    const { fetch, requests, lookups } = await blobPeers(context, held.hold);
    const reference = referenceTo(bytes('shared'));
    const all = ['a', 'b', 'c'].map((id) => assert.rejects(fetch([reference], { id }), { retryable: true }));
    while (lookups.count < 3) await setImmediate();
    await held.refuse('HTTP', 503);
    await Promise.all(all);
    assert.equal(requests.length, 1);
  });
});

describe('a blob that does not come', LIMIT, () => {
  const cases: readonly [answer: string, code: string, retryable: boolean, reply: string][] = [
    ['HTTP/404', 'BLOB_NOT_FOUND', false, 'HTTP/404'],
    ['LiteCore/7', 'BLOB_NOT_FOUND', false, 'HTTP/404'],
    ['LiteCore/9', 'BLOB_NOT_FOUND', false, 'HTTP/404'],
    ['HTTP/403', 'ACCESS_DENIED', false, 'HTTP/403'],
    ['HTTP/503', 'CONNECTION_UNAVAILABLE', true, 'HTTP/503'],
    ['HTTP/429', 'CONNECTION_UNAVAILABLE', true, 'HTTP/503'],
    ['HTTP/500', 'REPLICATION_REMOTE_ERROR', false, 'BLIP/501'],
    ['BLIP/404', 'REPLICATION_REMOTE_ERROR', false, 'BLIP/501'],
  ];
  for (const [answer, code, retryable, expected] of cases) {
    it(`because of ${answer} is ${code}`, async (context) => {
      const held = new Held();
      const { fetch, files } = await blobPeers(context, held.hold);
      const fetched = fetch([referenceTo(bytes('x'))]).then(
        () => 'nothing',
        (error: unknown) => error,
      );
      const [domain = '', number] = answer.split('/');
      await held.refuse(domain, Number(number));
      const error = await fetched;
      assert(isHawserError(error), String(error));
      const { domain: replied, code: status } = errorToReply(error);
      assert.deepEqual([error.code, error.retryable, `${replied}/${status}`], [code, retryable, expected]);
      assert.equal(isTransientReply(errorToReply(error)), retryable);
      assert.deepEqual(await files(), []);
    });
  }

  it('as it was announced is refused, and nothing of it is kept', async (context) => {
    const held = new Held();
    const { fetch, files, asking } = await blobPeers(context, held.hold);
    const content = noise(200_000);
    const damaged = Uint8Array.from(content);
    damaged[100_000] = (damaged[100_000] ?? 0) ^ 1;
    const whole = referenceTo(content);
    for (const [what, reference, body] of [
      ['damaged', whole, damaged],
      ['cut short', whole, content.subarray(0, 199_999)],
      ['empty', whole, content.subarray(0, 0)],
      ['too long', whole, Buffer.concat([content, content])],
      ['announced as longer', { ...whole, length: 200_001 }, content],
      ['announced as shorter', { ...whole, length: 0 }, content],
    ] as const) {
      const refused = assert.rejects(fetch([reference]), { code: 'BLOB_CORRUPT' }, what);
      await held.give(body);
      await refused;
      assert.deepEqual(await files(), [], what);
    }
    const good = fetch([{ digest: whole.digest }]);
    await held.give(content);
    await good;
    assert.deepEqual([(await files()).length, asking.isEnded], [1, false]);
    await assert.rejects(fetch([{ ...whole, length: 7 }]), { code: 'BLOB_CORRUPT' }, 'here already');
  });

  it('to an end is given up when it is longer than announced, and holds up nothing', async (context) => {
    let sent = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        await setImmediate();
        sent += 16_000;
        yield new Uint8Array(16_000);
      }
    };
    const { fetch, files, asking } = await blobPeers(context, (request, channel) => {
      if (request.properties.get('docID') === 'good') channel.respond(request, { properties: {}, body: bytes('good') });
      else channel.respondStream(request, { properties: {} }, endless()).catch(() => undefined);
    });
    const fetches = Array.from({ length: 6 }, (_, index) =>
      assert.rejects(fetch([referenceTo(bytes(`bad ${index}`))]), { code: 'BLOB_CORRUPT' }),
    );
    await Promise.all(fetches);
    await fetch([referenceTo(bytes('good'))], { id: 'good' });
    assert.deepEqual([(await files()).length, asking.isEnded], [1, false]);
    const before = sent;
    while (sent < before + 1_000_000) await setImmediate(); // it is thrown away as it comes
  });

  it('because the connection ended leaves nothing behind', async (context) => {
    const { fetch, files, cut } = await blobPeers(context, (request, channel) => {
      const half = async function* (): AsyncGenerator<Uint8Array> {
        yield noise(100_000);
        await setImmediate();
        cut();
      };
      channel.respondStream(request, { properties: {} }, half()).catch(() => undefined);
    });
    const fetches = Array.from({ length: 10 }, (_, index) =>
      assert.rejects(fetch([referenceTo(bytes(`${index}`))]), { code: 'BLIP_CLOSED', retryable: true }),
    );
    await Promise.all(fetches);
    await assert.rejects(fetch([referenceTo(bytes('later'))]), { code: 'BLIP_CLOSED' });
    assert.deepEqual(await files(), []);
  });

  it('because it cannot be stored is our trouble, and the channel goes on', async (context) => {
    const { offer, fetch, folder, asking, answering } = await blobPeers(context);
    const reference = await offer(noise(1_000_000));
    await rm(join(folder, 'mine'), { recursive: true });
    await assert.rejects(fetch([reference]), (error) => isHawserError(error) && error.code !== 'BLOB_CORRUPT');
    while (answering.queuedMessages > 0) await setImmediate();
    assert.equal(asking.isEnded, false);
  });

  it('from one who does not list it is not even asked for', async (context) => {
    const { offer, fetch, mine, requests } = await blobPeers(context);
    const [here, listed, other] = [
      await offer(bytes('here')),
      await offer(bytes('listed')),
      await offer(bytes('other')),
    ];
    await mine.put(bytes('here'));
    await fetch([here, listed], { listed: new Set([listed.digest]) });
    await assert.rejects(fetch([other], { listed: new Set([listed.digest]) }), { code: 'BLOB_NOT_FOUND' });
    assert.equal(requests.length, 1);
  });
});

it('revisions that wait for blobs are bounded in memory, one alone may be larger', LIMIT, async (context) => {
  const held = new Held();
  const { fetch } = await blobPeers(context, held.hold);
  const alone = fetch([referenceTo(bytes('alone'))], { size: MAX_BYTES_AWAITING_BLOBS + 1 });
  await assert.rejects(fetch([referenceTo(bytes('more'))]), (error) => {
    assert(isHawserError(error));
    assert.deepEqual([error.code, error.retryable], ['REPLICATION_BACKLOG_FULL', true]);
    return isTransientReply(errorToReply(error));
  });
  await fetch([], { size: 1e9 });
  await held.give(bytes('alone'));
  await alone;
  const next = fetch([referenceTo(bytes('more'))]);
  await held.give(bytes('more'));
  await next;
});

it('what is packed is not packed again', () => {
  const yes = ['text/plain', 'application/json', 'application/octet-stream', 'x/ximage/'];
  const no = ['image/png', 'IMAGE/svg+xml', 'audio/x', 'Video/y', 'application/zip', 'application/x-gzip', 'x/mp4-y'];
  const never = ['application/pkcs8', 'x-rar', 'a/b.rar', 'application/x-encrypted', 'x/zlib', 'x/MPEG'];
  const digest = referenceTo(bytes('')).digest;
  for (const contentType of yes) assert.equal(isCompressible({ digest, contentType }), true, contentType);
  for (const contentType of [...no, ...never])
    assert.equal(isCompressible({ digest, contentType }), false, contentType);
  assert.equal(isCompressible({ digest }), false);
  assert.equal(isCompressible({ digest, contentType: 'text/plain', encoding: 'gzip' }), false);
  assert.equal(isCompressible({ digest, contentType: 'text/plain', encoding: 'base64' }), true);
});
