/** Revisions that refer to blobs, which have to come first (specification 8.2), to both kinds of puller. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { assertSound, revisionID, savedCheckpoint, serveCollections } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import type { RawBlipPeer, RawRequest } from '../support/raw-blip-peer.js';
import { announceTo, blobBytes, endOfFeed, pullFromRaw, revTo, told } from '../support/raw-pull.js';

const LIMIT = { timeout: 120_000 };
const A1 = revisionID(1);
const CONTENT = 'Hello, Couchbase blob!';

function blobOf(content: string | Uint8Array): { '@type': string; digest: string; length: number } {
  const digest = `sha1-${createHash('sha1').update(content).digest('base64')}`;
  return { '@type': 'blob', digest, length: Buffer.byteLength(content) };
}

const BLOB = blobOf(CONTENT);
const BODY = JSON.stringify({ pic: BLOB });

describe('a revision with blobs that is pulled', LIMIT, () => {
  it('is answered when its blobs are here, which come once', async (context) => {
    const { peer, raw, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        const announced = await announceTo(raw, [
          [1, 'd', A1],
          [2, 'e', A1],
        ]);
        assert.equal(announced.properties['blobs'], 'true');
        assert.equal((await revTo(raw, { rev: A1 }, BODY)).error, undefined);
        assert.equal((await revTo(raw, { id: 'e', rev: A1, sequence: '2' }, BODY)).error, undefined);
        endOfFeed(raw);
      },
      { handlers: { getAttachment: (request, raw) => raw.reply(request, CONTENT) } },
    );
    assert.equal(await ended, undefined);
    const asked = raw.requests.filter(({ profile }) => profile === 'getAttachment');
    assert.deepEqual(
      asked.map(({ properties }) => [properties['digest'], properties['docID'], properties['collection']]),
      [[BLOB.digest, 'd', '0']],
    );
    assert.equal((await blobBytes(peer.database, (await peer.metrics.get('d'))?.body.pic)).toString(), CONTENT);
    assert.deepEqual(told(outcomes), ['d', 'e']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 2 });
  });

  for (const [why, answer, expected, code] of [
    ['the peer has none', (request, raw) => raw.refuse(request, 'HTTP/404'), 'HTTP/404', 'BLOB_NOT_FOUND'],
    ['the peer keeps them back', (request, raw) => raw.refuse(request, 'HTTP/403'), 'HTTP/403', 'ACCESS_DENIED'],
    ['they are not what was promised', (request, raw) => raw.reply(request, 'other'), 'HTTP/400', 'BLOB_CORRUPT'],
  ] as [string, (request: RawRequest, raw: RawBlipPeer) => void, string, string][]) {
    it(`has failed where ${why}, and the others go on`, async (context) => {
      const { peer, raw, outcomes, ended } = await pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [
            [1, 'd', A1],
            [2, 'e', A1],
          ]);
          assert.equal((await revTo(raw, { rev: A1 }, BODY)).error, expected);
          assert.equal((await revTo(raw, { id: 'e', rev: A1, sequence: '2' })).error, undefined);
          endOfFeed(raw);
        },
        { handlers: { getAttachment: answer } },
      );
      assert.equal(await ended, undefined);
      assert.equal(await peer.metrics.get('d'), undefined);
      assert.deepEqual(told(outcomes), [`d ${code}`, 'e']);
      assert.deepEqual(savedCheckpoint(raw), { remote: 2 });
      assert.deepEqual(await peer.database.integrityCheck(), []);
    });
  }

  it('is not passed where a blob cannot be had now, and comes again', async (context) => {
    const peer = await openPeer(context, 'ours');
    const isMissing = async (id: string): Promise<boolean> => (await peer.metrics.get(id)) === undefined;
    const pull = (getAttachment: (request: RawRequest, raw: RawBlipPeer) => void) =>
      pullFromRaw(
        context,
        async (raw) => {
          await announceTo(raw, [
            [1, 'd', A1],
            [2, 'e', A1],
          ]);
          void revTo(raw, { rev: A1 }, BODY);
          if (await isMissing('e')) void revTo(raw, { id: 'e', rev: A1, sequence: '2' });
          endOfFeed(raw);
        },
        { peer, handlers: { getAttachment } },
      );
    const first = await pull((request, raw) => raw.refuse(request, 'HTTP/503'));
    assert.equal((await first.ended)?.code, 'CONNECTION_UNAVAILABLE');
    assert.deepEqual(told(first.outcomes), ['d CONNECTION_UNAVAILABLE', 'e']);
    assert.equal(savedCheckpoint(first.raw), undefined);
    const second = await pull((request, raw) => raw.reply(request, CONTENT));
    assert.equal(await second.ended, undefined);
    assert.deepEqual(told(second.outcomes), ['d']);
    assert.equal(await peer.metrics.count(), 2);
    assert.deepEqual(savedCheckpoint(second.raw), { remote: 2 });
  });

  it('does not stop the reading of the connection, over which the blobs come', async (context) => {
    const SIZE = 1024 * 1024;
    const COUNT = 10;
    const contents = Array.from({ length: COUNT }, (_, index) => `content ${index}`);
    const held: RawRequest[] = [];
    let release = false;
    const answer = (request: RawRequest, raw: RawBlipPeer): void => {
      const content = contents.find((one) => blobOf(one).digest === request.properties['digest']);
      raw.reply(request, content);
    };
    const { peer, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(
          raw,
          contents.map((_, index) => [index + 1, `d${index}`, A1]),
        );
        const replies = contents.map((content, index) => {
          const body = JSON.stringify({ pic: blobOf(content), filler: 'x'.repeat(SIZE) });
          return revTo(raw, { id: `d${index}`, rev: A1, sequence: String(index + 1) }, body);
        });
        // Answered only after all of them were read: together they are more than the connection would be read for.
        await raw.request({ Profile: 'isAnybodyThere' });
        release = true;
        for (const request of held) answer(request, raw);
        for (const { error } of await Promise.all(replies)) assert.equal(error, undefined);
        endOfFeed(raw);
      },
      {
        handlers: {
          getAttachment: (request, raw) => {
            if (release) answer(request, raw);
            else held.push(request);
          },
        },
      },
    );
    assert.equal(await ended, undefined);
    assert.equal(await peer.metrics.count(), COUNT);
  });

  it('goes again where access was lost while it waited', async (context) => {
    let take: ((request: RawRequest) => void) | undefined;
    const request = new Promise<RawRequest>((resolve) => void (take = resolve));
    const { peer, outcomes, raw, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A1]]);
        const reply = revTo(raw, { rev: A1 }, BODY);
        const asked = await request;
        assert.equal((await announceTo(raw, [[2, 'd', A1, 2]])).text, '[0]');
        raw.reply(asked, CONTENT);
        assert.equal((await reply).error, undefined);
        endOfFeed(raw);
      },
      { handlers: { getAttachment: (asked) => take?.(asked) } },
    );
    assert.equal(await ended, undefined);
    assert.equal(await peer.metrics.count(), 0);
    assert.deepEqual(told(outcomes), ['d', 'd accessRemoved']);
    assert.deepEqual(savedCheckpoint(raw), { remote: 2 });
  });

  it('leaves nothing behind where the connection ends while it waits', async (context) => {
    const { peer, outcomes, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A1]]);
        await revTo(raw, { rev: A1 }, BODY).catch(() => undefined);
      },
      { handlers: { getAttachment: (_, raw) => raw.leave() } },
    );
    assert.notEqual(await ended, undefined);
    assert.deepEqual(outcomes, []);
    assert.equal(await peer.metrics.count(), 0);
    await peer.database.close(); // nothing of it is under way any more
  });

  it('is filtered before its blobs are asked for', async (context) => {
    const { raw, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [[1, 'd', A1]]);
        assert.equal((await revTo(raw, { rev: A1 }, BODY)).error, 'HTTP/403');
        endOfFeed(raw);
      },
      { rules: { pullFilter: () => false } },
    );
    assert.equal(await ended, undefined);
    assert.ok(!raw.requests.some(({ profile }) => profile === 'getAttachment'));
  });

  it('may have them in the form of servers, where genuine attachments stay', async (context) => {
    const other = blobOf('an attachment');
    const { '@type': _, ...stub } = BLOB;
    const attachments = { 'blob_/pic': { ...stub, stub: true }, 'notes.txt': { ...other, stub: true } };
    const { peer, ended } = await pullFromRaw(
      context,
      async (raw) => {
        await announceTo(raw, [
          [1, 'd', A1],
          [2, 'e', A1],
        ]);
        const body = JSON.stringify({ pic: BLOB, _attachments: attachments, _rev: A1 });
        assert.equal((await revTo(raw, { rev: A1 }, body)).error, undefined);
        // Of a blob that is not listed the server has no content.
        const unlisted = JSON.stringify({ pic: blobOf('unlisted'), _attachments: {} });
        assert.equal((await revTo(raw, { id: 'e', rev: A1, sequence: '2' }, unlisted)).error, 'HTTP/404');
        endOfFeed(raw);
      },
      {
        handlers: {
          getAttachment: (request, raw) =>
            raw.reply(request, request.properties['digest'] === BLOB.digest ? CONTENT : 'an attachment'),
        },
      },
    );
    assert.equal(await ended, undefined);
    const body = (await peer.metrics.get('d'))?.body as Record<string, unknown>;
    assert.deepEqual(body, { pic: BLOB, _attachments: { 'notes.txt': attachments['notes.txt'] } });
    assert.deepEqual(await peer.database.integrityCheck(), []);
  });
});

describe('a revision with blobs that is pushed to us', LIMIT, () => {
  it('is answered when its blobs are here', async (context) => {
    const served = await serveCollections(context);
    const reply = revTo(served.raw, { rev: A1 }, BODY);
    const asked = await served.raw.next('getAttachment');
    assert.deepEqual([asked.properties['digest'], asked.properties['docID']], [BLOB.digest, 'd']);
    assert.equal(await served.peer.metrics.count(), 0);
    served.raw.reply(asked, CONTENT);
    assert.equal((await reply).error, undefined);
    const body = (await served.peer.metrics.get('d'))?.body as Record<string, unknown>;
    assert.equal((await blobBytes(served.peer.database, body['pic'])).toString(), CONTENT);
    await assertSound(served);
  });

  it('is refused for now, or for good, as its blobs are', async (context) => {
    const served = await serveCollections(context);
    for (const [refusal, expected, code] of [
      ['HTTP/503', 'HTTP/503', 'CONNECTION_UNAVAILABLE'],
      ['HTTP/404', 'HTTP/404', 'BLOB_NOT_FOUND'],
      ['LiteCore/7', 'HTTP/404', 'BLOB_NOT_FOUND'],
    ] as const) {
      const reply = revTo(served.raw, { rev: A1 }, BODY);
      served.raw.refuse(await served.raw.next('getAttachment'), refusal);
      assert.equal((await reply).error, expected);
      assert.equal(served.problems.at(-1)?.error.code, code);
    }
    assert.equal(await served.peer.metrics.count(), 0);
    const reply = revTo(served.raw, { rev: A1 }, BODY);
    served.raw.reply(await served.raw.next('getAttachment'), CONTENT);
    assert.equal((await reply).error, undefined);
    await assertSound(served);
  });

  it('holds up neither others nor the end where its blobs never come', async (context) => {
    const served = await serveCollections(context);
    for (let index = 0; index < 6; index++) {
      const body = JSON.stringify({ pic: blobOf(`never ${index}`), filler: 'x'.repeat(1024 * 1024) });
      void revTo(served.raw, { id: `d${index}`, rev: A1 }, body);
    }
    assert.equal((await revTo(served.raw, { id: 'small', rev: A1 })).error, undefined);
    await served.listener.closeAll();
    assert.equal(await served.peer.metrics.count(), 1);
  });
});
