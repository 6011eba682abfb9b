/** What a peer may do that may not do everything: as it sees it, message by message (specification 3.1, 3.2). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Blob } from '../../src/index.js';
import { revisionID, storeOf } from '../support/hostile.js';
import { openPeer, type Peer } from '../support/peers.js';
import type { RawReply } from '../support/raw-blip-peer.js';
import { countReads, serveRestricted, type RecordingPeer, type Rights } from './restricted.js';

const LIMIT = { timeout: 120_000 };
const A1 = revisionID(1);

interface Ours extends Peer {
  /** A collection with a document and a checkpoint, to be hidden. */
  readonly secret: Peer['metrics'];
}

async function openOurs(context: TestContext): Promise<Ours> {
  const peer = await openPeer(context, 'ours');
  const secret = await peer.database.createCollection('secret');
  const standard = peer.database.collection('_default');
  for (const collection of [peer.metrics, secret, standard]) {
    await collection.save('d', { hidden: true });
    await storeOf(collection).putPeerCheckpoint('cp', '{"local":7}', undefined);
  }
  return { ...peer, secret };
}

/** Every message that names a collection, and what is about the whole connection. */
const MESSAGES: readonly [properties: Record<string, string>, body: string][] = [
  [{ Profile: 'getCheckpoint', client: 'cp' }, ''],
  [{ Profile: 'getCheckpoint' }, ''],
  [{ Profile: 'setCheckpoint', client: 'cp' }, '{}'],
  [{ Profile: 'setCheckpoint', client: 'cp', rev: '1-cc' }, '{}'],
  [{ Profile: 'subChanges' }, ''],
  [{ Profile: 'subChanges', filter: 'x' }, ''],
  [{ Profile: 'proposeChanges' }, `[["d","${A1}"]]`],
  [{ Profile: 'proposeChanges' }, 'no JSON'],
  [{ Profile: 'changes' }, `[[1,"d","${A1}"]]`],
  [{ Profile: 'rev', id: 'd', rev: A1 }, '{}'],
  [{ Profile: 'rev', id: 'd', rev: A1, deltaSrc: '1-aa' }, '{}'],
  [{ Profile: 'norev', id: 'd', rev: A1, error: '404' }, ''],
  [{ Profile: 'getAttachment', digest: 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=' }, ''],
  [{ Profile: 'proveAttachment', digest: 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=' }, 'nonce'],
  [{ Profile: 'getCollections' }, '{"collections":["x"],"checkpoint_ids":["cp"]}'],
  [{ Profile: 'whatever' }, ''],
];

/** Sends all of them, one after the other. */
async function askEverything(raw: RecordingPeer, collection: Record<string, string>): Promise<RawReply[]> {
  const replies: RawReply[] = [];
  for (const [properties, body] of MESSAGES) replies.push(await raw.request({ ...properties, ...collection }, body));
  return replies;
}

function getCollections(raw: RecordingPeer, ...names: string[]): Promise<RawReply> {
  const body = JSON.stringify({ collections: names, checkpoint_ids: names.map(() => 'cp') });
  return raw.request({ Profile: 'getCollections' }, body);
}

describe('a collection that a peer may not see', LIMIT, () => {
  for (const [what, rightsOf] of [
    ['who may do everything elsewhere', ({ metrics }) => [[metrics, 'rw']]],
    ['who may only pull elsewhere', ({ metrics }) => [[metrics, 'r']]],
    ['who may only push elsewhere', ({ metrics }) => [[metrics, 'w']]],
    ['who may do nothing elsewhere', ({ metrics }) => [[metrics, '']]],
    ['who may see nothing', () => []],
  ] as [string, (ours: Ours) => Rights][]) {
    it(`is to one ${what} as one that is not there, to the byte`, async (context) => {
      const ours = await openOurs(context);
      const frames: string[][] = [];
      for (const name of ['secret', 'absent', '_default', '_nothing']) {
        const raw = await serveRestricted(context, ours, rightsOf(ours));
        assert.equal((await getCollections(raw, name)).text, '[null]');
        const reads = countReads(ours);
        await askEverything(raw, { collection: '0' });
        assert.deepEqual(reads(), [], name);
        frames.push(raw.frames);
      }
      for (const others of frames) assert.deepEqual(others, frames[0]);
      assert.equal(frames[0]?.length, 1 + MESSAGES.length);
      assert.equal(await ours.secret.count(), 1);
    });
  }

  it('is neither looked up beside one that is visible', async (context) => {
    const ours = await openOurs(context);
    const texts: string[] = [];
    const counts: number[] = [];
    for (const name of ['secret', 'absent']) {
      const raw = await serveRestricted(context, ours, [[ours.metrics, 'rw']]);
      const reads = countReads(ours);
      texts.push((await getCollections(raw, 'metrics', name)).text);
      counts.push(reads().length);
      assert.equal((await raw.request({ Profile: 'getCheckpoint', collection: '1', client: 'cp' })).error, 'HTTP/400');
    }
    assert.deepEqual(texts, ['[{"local":7,"rev":"1-cc"},null]', '[{"local":7,"rev":"1-cc"},null]']);
    assert.deepEqual(counts, [1, 1]);
  });

  it('is not there for clients that know no collections either', async (context) => {
    const ours = await openOurs(context);
    const frames: string[][] = [];
    const empty = await openOurs(context);
    await empty.database.collection('_default').purge('d');
    for (const database of [ours, empty]) {
      const raw = await serveRestricted(context, database, [[database.metrics, 'rw']]);
      const reads = countReads(database);
      const replies = await askEverything(raw, {});
      assert.deepEqual(reads(), []);
      assert.deepEqual([replies[0]?.error, replies[9]?.error], ['BLIP/400', 'BLIP/400']);
      frames.push(raw.frames);
    }
    assert.deepEqual(frames[0], frames[1]);
  });

  it('gives no base to deltas, and takes none of what is kept elsewhere', async (context) => {
    const ours = await openOurs(context);
    const body = JSON.stringify({ text: 'secret '.repeat(100) });
    const revision = { id: 'shared', revisionID: A1, history: [], deleted: false, body, hasBlobs: false };
    await storeOf(ours.secret).insert(revision, {});
    const raw = await serveRestricted(context, ours, [[ours.metrics, 'rw']], { enableDeltaSync: true });
    await getCollections(raw, 'metrics');
    const of = { collection: '0' };
    const proposed = await raw.request({ Profile: 'proposeChanges', ...of }, `[["shared","${revisionID(2)}","${A1}"]]`);
    assert.equal(proposed.properties['deltas'], 'true');
    const properties = { Profile: 'rev', ...of, id: 'shared', rev: revisionID(2), history: A1, deltaSrc: A1 };
    assert.equal((await raw.request(properties, '{"n":1}')).error, 'HTTP/422');
    // Its own document of that name is told whole to a peer that says it has the hidden revision.
    await ours.metrics.save('shared', { text: 'open '.repeat(100) });
    await raw.request({ Profile: 'subChanges', ...of });
    raw.reply(await raw.next('changes'), `[0,["${A1}"]]`, { deltas: 'true', blobs: 'true' });
    const sent = await raw.next('rev');
    assert.deepEqual([sent.properties['deltaSrc'], sent.text.includes('open')], [undefined, true]);
  });
});

describe('a collection of which a peer may', LIMIT, () => {
  /** The answers to the messages of {@link MESSAGES} that were not answered with success or with something about themselves. */
  async function denied(context: TestContext, right: 'rw' | 'r' | 'w' | ''): Promise<string[]> {
    const ours = await openOurs(context);
    const raw = await serveRestricted(context, ours, [[ours.metrics, right]]);
    await getCollections(raw, 'metrics');
    const replies = await askEverything(raw, { collection: '0' });
    return replies.flatMap(({ error }, index) => {
      const profile = MESSAGES[index]?.[0]['Profile'] ?? '';
      return error === 'HTTP/403' && !profile.endsWith('Attachment') ? [profile] : [];
    });
  }

  it('do everything is denied in nothing', async (context) => {
    assert.deepEqual(await denied(context, 'rw'), []);
  });

  it('only pull, denies what pushes', async (context) => {
    assert.deepEqual(await denied(context, 'r'), ['proposeChanges', 'proposeChanges', 'changes', 'rev', 'rev']);
  });

  it('only push, denies the feed', async (context) => {
    assert.deepEqual(await denied(context, 'w'), ['subChanges', 'subChanges']);
  });

  it('only push, gives no content of a blob, and does not say which ones it has', async (context) => {
    const ours = await openOurs(context);
    await ours.metrics.save('photo', { pic: new Blob('image/png', Buffer.from('Hello, Couchbase blob!')) });
    const frames: string[][] = [];
    for (const digest of ['sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=', 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=']) {
      const raw = await serveRestricted(context, ours, [[ours.metrics, 'w']]);
      await getCollections(raw, 'metrics');
      const properties = { collection: '0', digest, docID: 'photo' };
      assert.equal((await raw.request({ Profile: 'getAttachment', ...properties })).error, 'HTTP/403');
      assert.equal((await raw.request({ Profile: 'proveAttachment', ...properties }, 'nonce')).error, 'HTTP/403');
      frames.push(raw.frames);
    }
    assert.deepEqual(frames[0], frames[1]);
  });

  it('do nothing is there, and keeps nothing for it', async (context) => {
    const ours = await openOurs(context);
    const raw = await serveRestricted(context, ours, [[ours.metrics, '']]);
    const reads = countReads(ours);
    assert.equal((await getCollections(raw, 'metrics')).text, '[{}]');
    const replies = await askEverything(raw, { collection: '0' });
    assert.deepEqual(reads(), []);
    assert.deepEqual(
      replies.slice(0, 11).map(({ error }) => error),
      Array.from({ length: 11 }, () => 'HTTP/403'),
    );
    assert.deepEqual(await storeOf(ours.metrics).peerCheckpoint('cp'), { text: '{"local":7}', revision: '1-cc' });
    const old = await serveRestricted(context, ours, [[ours.database.collection('_default'), '']]);
    assert.equal((await old.request({ Profile: 'getCheckpoint', client: 'cp' })).error, 'HTTP/403');
  });

  it('do one thing, and another of another, goes by the collection of each message', async (context) => {
    const ours = await openOurs(context);
    const raw = await serveRestricted(context, ours, [
      [ours.metrics, 'r'],
      [ours.secret, 'w'],
    ]);
    await getCollections(raw, 'secret', 'metrics');
    const rev = { Profile: 'rev', id: 'new', rev: A1 };
    assert.equal((await raw.request({ ...rev, collection: '0' }, '{}')).error, undefined);
    assert.equal((await raw.request({ ...rev, collection: '1' }, '{}')).error, 'HTTP/403');
    raw.notify({ ...rev, collection: '1', id: 'quiet' }, '{}');
    assert.equal((await raw.request({ Profile: 'subChanges', collection: '0' })).error, 'HTTP/403');
    assert.equal((await raw.request({ Profile: 'subChanges', collection: '1' })).error, undefined);
    const announced = await raw.next('changes');
    assert.equal(announced.properties['collection'], '1');
    assert.deepEqual([await ours.metrics.count(), await ours.secret.count()], [1, 2]);
  });

  it('pull is fed no other one', async (context) => {
    const ours = await openOurs(context);
    const raw = await serveRestricted(context, ours, [
      [ours.metrics, 'r'],
      [ours.secret, 'w'],
    ]);
    await getCollections(raw, 'metrics', 'secret');
    await raw.request({ Profile: 'subChanges', collection: '1', continuous: 'true' });
    await raw.request({ Profile: 'subChanges', collection: '0', continuous: 'true' });
    raw.reply(await raw.next('changes'), '[0]');
    await ours.secret.save('late', {});
    await ours.metrics.save('late', {});
    let next = await raw.next('changes');
    while (next.text === '[]') next = await raw.next('changes');
    assert.match(next.text, /"late"/);
    assert.ok(raw.requests.every(({ properties }) => properties['collection'] === '0'));
  });
});
