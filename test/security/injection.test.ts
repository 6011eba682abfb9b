/**
 * No text of a peer reaches a file path, an SQL text, a pattern or a log line as anything but a text. Every input of a peer is
 * tried with texts that mean something there; afterwards the database is sound, it holds exactly what was sent under exactly
 * the names that were sent, no file is where none belongs, and the log has lines of text.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { MessageEndpointListener, MessagingError } from '../../src/index.js';
import { againstRaw, connectRaw, getCollections, revisionID, storeOf } from '../support/hostile.js';
import type { RawBlipPeer, RawReply } from '../support/raw-blip-peer.js';
import { ALL, assertUnharmed, FORBIDDEN, openOurs, TEXTS } from './injected-texts.js';

const LIMIT = { timeout: 120_000 };
const A1 = revisionID(1);
const CONTENT = Buffer.from('Hello, blob!');
const DIGEST = `sha1-${createHash('sha1').update(CONTENT).digest('base64')}`;

/** Fails if the process has got something that everything inherits. */
function assertUnpolluted(): void {
  assert.deepEqual(Object.keys(Object.prototype), []);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
}

describe('what a peer says in messages is text', LIMIT, () => {
  async function serve(context: TestContext) {
    const ours = await openOurs(context);
    const options = { collections: [ours.metrics], protocolType: 'messageStream', enableDeltaSync: true } as const;
    const listener = new MessageEndpointListener(options);
    const raw = await connectRaw(context, listener);
    return { ours, raw, again: () => connectRaw(context, listener), before: await ours.tree() };
  }

  function rev(raw: RawBlipPeer, properties: Record<string, string>, body: string): Promise<RawReply> {
    return raw.request({ Profile: 'rev', collection: '0', id: 'd', rev: A1, ...properties }, body);
  }

  it('as the names of collections', async (context) => {
    const { ours, raw, again, before } = await serve(context);
    const names = ALL.filter((name) => name !== '');
    for (const form of [(name: string) => name, (name: string) => `${name}.metrics`, (name: string) => `x.${name}`]) {
      const collections = names.map(form);
      const other = await again();
      const body = JSON.stringify({ collections, checkpoint_ids: names });
      const reply = await other.request({ Profile: 'getCollections' }, body);
      assert.equal(reply.error, undefined, reply.text);
      assert.deepEqual(
        JSON.parse(reply.text),
        collections.map(() => null),
      );
    }
    assert.equal(raw.isOver, false);
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });

  it('as the IDs of checkpoints, each of which is its own', async (context) => {
    const { ours, raw, before } = await serve(context);
    await getCollections(raw);
    const ids = ALL.filter((id) => id !== '');
    for (const id of ids) {
      const properties = { Profile: 'setCheckpoint', collection: '0', client: id };
      const reply = await raw.request(properties, JSON.stringify({ of: id }));
      assert.equal(reply.error, undefined, id);
    }
    for (const client of ids) {
      const reply = await raw.request({ Profile: 'getCheckpoint', collection: '0', client });
      assert.deepEqual([reply.properties['rev'], JSON.parse(reply.text)], ['1-cc', { of: client }]);
    }
    assert.equal((await raw.request({ Profile: 'getCheckpoint', collection: '0', client: '%_' })).error, 'HTTP/404');
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });

  it('as the IDs of documents, each of which is its own', async (context) => {
    const { ours, raw, again, before } = await serve(context);
    await getCollections(raw);
    for (const id of TEXTS) {
      assert.equal((await rev(raw, { id }, JSON.stringify({ [id]: id, list: [id] }))).error, undefined, id);
    }
    for (const id of FORBIDDEN) assert.match((await rev(raw, { id }, '{}')).error ?? '', /^(LiteCore|HTTP|BLIP)\//, id);
    assert.deepEqual(await assertUnharmed(ours, before), [...TEXTS].sort());
    for (const id of TEXTS) {
      const stored = await ours.metrics.get(id);
      assert.deepEqual([stored?.id, stored?.toJSONText()], [id, JSON.stringify({ [id]: id, list: [id] })]);
    }
    // What one of them is named, none of the others is changed or removed by.
    for (const [index, id] of TEXTS.entries()) {
      if (index % 2 === 0) await ours.metrics.purge(id);
      else assert.equal((await rev(raw, { id, rev: revisionID(2), history: A1 }, '{"n":2}')).error, undefined, id);
    }
    const kept = TEXTS.filter((_, index) => index % 2 === 1);
    assert.deepEqual(await assertUnharmed(ours, before), [...kept].sort());
    const proposed = await raw.request(
      { Profile: 'proposeChanges', collection: '0' },
      JSON.stringify(TEXTS.map((id) => [id, A1])),
    );
    const answers = JSON.parse(proposed.text) as unknown[];
    assert.deepEqual(
      TEXTS.filter((_, index) => answers[index] === 304 || answers[index] === 409),
      kept,
    );
    const reader = await again(); // the writer is not told of what it wrote
    await getCollections(reader);
    await reader.request({ Profile: 'subChanges', collection: '0' }, JSON.stringify({ docIDs: ALL }));
    const announced = JSON.parse((await reader.next('changes')).text) as string[][];
    assert.deepEqual(announced.map(([, id]) => id).sort(), [...kept].sort());
  });

  it('as revisions, histories and bases of deltas', async (context) => {
    const { ours, raw, before } = await serve(context);
    await getCollections(raw);
    await raw.request({ Profile: 'proposeChanges', collection: '0' }, `[["x","${A1}"]]`);
    for (const text of ALL.filter((text) => text.trim() !== '')) {
      for (const bad of [text, `1-${text}`, `${text}-aa`, `1-aa${text}`]) {
        assert.notEqual((await rev(raw, { rev: bad }, '{}')).error, undefined, bad);
        assert.notEqual((await rev(raw, { rev: revisionID(9), history: bad }, '{}')).error, undefined, bad);
        assert.notEqual((await rev(raw, { rev: revisionID(9), deltaSrc: bad }, '{"a":[1]}')).error, undefined, bad);
      }
      const lists = JSON.stringify([['d', text, text]]);
      await raw.request({ Profile: 'proposeChanges', collection: '0' }, lists);
      await raw.request(
        { Profile: 'changes', collection: '0' },
        JSON.stringify([[text, 'd', `1-${text}`, text, text]]),
      );
    }
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });

  it('as keys and values of documents, and in the paths of deltas', async (context) => {
    const { ours, raw, before } = await serve(context);
    await getCollections(raw);
    await raw.request({ Profile: 'proposeChanges', collection: '0' }, `[["x","${A1}"]]`);
    const keys = [...new Set([...ALL, 'polluted'])].filter((key) => !key.startsWith('_') && key !== '');
    const body = `{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify({ [key]: key })}`).join(',')}}`;
    assert.equal((await rev(raw, {}, body)).error, undefined);
    assert.equal((await ours.metrics.get('d'))?.toJSONText(), body);
    const nested = '{"a":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}';
    assert.equal((await rev(raw, { id: 'e' }, nested)).error, undefined);
    assert.equal((await ours.metrics.get('e'))?.toJSONText(), nested);
    const delta = '{"a":{"__proto__":{"polluted":[1]},"constructor":{"prototype":{"polluted":[2]}}}}';
    const second = await rev(raw, { id: 'e', rev: revisionID(2), history: A1, deltaSrc: A1 }, delta);
    assert.equal(second.error, undefined);
    assert.deepEqual(
      (await ours.metrics.get('e'))?.toJSONText(),
      '{"a":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}}',
    );
    for (const key of keys) {
      const edit = JSON.stringify({ [key]: [{ now: key }] });
      await rev(raw, { rev: revisionID(2), history: A1, deltaSrc: A1, id: 'd' }, edit);
    }
    assertUnpolluted();
    assert.deepEqual(await assertUnharmed(ours, before), ['d', 'e']);
  });

  it('as digests, types and names of blobs', async (context) => {
    const { ours, raw, before } = await serve(context);
    await getCollections(raw);
    const digests = ALL.flatMap((text) => [
      text,
      `sha1-${text}`,
      `sha1-${text}=`,
      `${DIGEST}${text}`,
      `${text}${DIGEST}`,
    ]);
    const more = ['sha1-../../../../../../../etc/pass=', `sha1-${'/'.repeat(26)}A=`, DIGEST.replace('=', '\0')];
    const expected: string[] = [];
    for (const [index, digest] of [...digests, ...more].entries()) {
      if (digest === DIGEST) continue;
      for (const Profile of ['getAttachment', 'proveAttachment']) {
        const known = { Profile, collection: '0', digest: digest.replaceAll('\0', '') };
        assert.match(
          (await raw.request(known, Profile === 'getAttachment' ? '' : 'x')).error ?? '',
          /LiteCore\/9|HTTP\/403/,
        );
      }
      const body = JSON.stringify({ pic: { '@type': 'blob', digest, length: 12, content_type: digest } });
      const reply = rev(raw, { id: `b${index}` }, body);
      if (digest === `sha1-${'/'.repeat(26)}A=`) {
        raw.refuse(await raw.next('getAttachment'), 'HTTP/404'); // it is one
        assert.equal((await reply).error, 'HTTP/404');
      } else if ((await reply).error === undefined) expected.push(`b${index}`);
    }
    for (const [index, text] of ALL.entries()) {
      const blob = {
        '@type': 'blob',
        digest: DIGEST,
        length: 12,
        content_type: text,
        encoding: text,
        [text || 'x']: text,
      };
      const stub = { ...blob, '@type': undefined, stub: true };
      const reply = rev(
        raw,
        { id: `c${index}` },
        JSON.stringify({ [`pic${text}`]: blob, _attachments: { [text]: stub } }),
      );
      if (index === 0) raw.reply(await raw.next('getAttachment'), CONTENT);
      const { error } = await reply;
      if (error === undefined) expected.push(`c${index}`);
    }
    assert.ok(expected.includes('c0') && expected.length > ALL.length, `${expected.length} were taken`);
    assert.deepEqual(await assertUnharmed(ours, before), expected.sort());
    assertUnpolluted();
  });

  it('as filters, channels, parameters, positions, Profiles and properties that nobody knows', async (context) => {
    const { ours, raw, before } = await serve(context);
    await getCollections(raw);
    await ours.metrics.save('d', { n: 1 });
    const texts = ALL.filter((text) => text !== '');
    for (const text of texts) {
      const filtered = { Profile: 'subChanges', collection: '0', filter: text, channels: text, [text]: text };
      assert.equal((await raw.request(filtered)).error, 'LiteCore/19', text);
      const versioned = { Profile: 'subChanges', collection: '0', versioning: text };
      assert.equal((await raw.request(versioned)).error, 'LiteCore/501', text);
      assert.equal((await raw.request({ Profile: text, collection: '0', [text]: text }, text)).error, 'BLIP/404', text);
      assert.match(
        (await raw.request({ Profile: 'getCheckpoint', collection: text, client: 'x' })).error ?? '',
        /^HTTP\/40[04]$/,
      );
      const norev = {
        Profile: 'norev',
        collection: '0',
        id: text,
        rev: text,
        sequence: text,
        error: text,
        reason: text,
      };
      assert.equal((await raw.request(norev)).error, undefined, text);
    }
    const feed = { Profile: 'subChanges', collection: '0', batch: "1'", activeOnly: '$(x)', continuous: '"' };
    assert.equal((await raw.request({ ...feed, since: "0' OR 1=1", sendReplacementRevs: '1;' })).error, undefined);
    assert.match((await raw.next('changes')).text, /"d"/);
    assert.deepEqual(await assertUnharmed(ours, before), ['d']);
    assertUnpolluted();
  });

  it('as the reasons of its errors, and of its farewell', async (context) => {
    const ours = await openOurs(context);
    const before = await ours.tree();
    const told: string[] = [];
    for (const text of ALL) {
      const { replicator } = await againstRaw(
        context,
        { getCollections: (request, peer) => peer.refuse(request, 'HTTP/403', text) },
        { peer: ours, type: 'push' },
      );
      replicator.start();
      told.push((await replicator.stopped())?.message ?? '');
      const leaving = await againstRaw(
        context,
        {
          getCollections: (_request, peer) =>
            peer.leave(new MessagingError('CONNECTION_REFUSED', text, { recoverable: false, closeCode: 4002 })),
        },
        { peer: ours, type: 'push' },
      );
      leaving.replicator.start();
      await leaving.replicator.stopped();
    }
    for (const message of told) assert.match(message, /^\P{Cc}+$/u);
    assert.ok(told.some((message) => message.includes('\\u000a')));
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });
});

it('a checkpoint of a peer whose ID looks like another record is none', LIMIT, async (context) => {
  const ours = await openOurs(context);
  const store = storeOf(ours.metrics);
  const { publicUUID, privateUUID } = store;
  await store.putLocalCheckpoint('mine', '{"local":1}');
  for (const id of ['mine', 'uuid', '1 mine', 'remote', `${privateUUID}`]) {
    assert.equal(await store.peerCheckpoint(id), undefined, id);
    await store.putPeerCheckpoint(id, '{"local":666}', undefined);
  }
  assert.equal(await store.localCheckpoint('mine'), '{"local":1}');
  assert.deepEqual([store.publicUUID, store.privateUUID], [publicUUID, privateUUID]);
});
