/** What a listener of ours announces and sends, as an active peer sees it (specification 3.6, 3.7, 3.9, 3.10, 7). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/index.js';
import { loopbackPair } from '../../src/index.js';
import { PassiveSession } from '../../src/replicator/passive-session.js';
import { cleanup } from '../support/cleanup.js';
import { getCollections, revisionID, settled, storeOf } from '../support/hostile.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer, type Peer } from '../support/peers.js';
import { RawBlipPeer, type RawRequest } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const TEXT = 'x'.repeat(300);
const WILLING = { deltas: 'true', blobs: 'true', maxHistory: '50' };

interface Served {
  readonly peer: Peer;
  readonly raw: RawBlipPeer;
  /** `push a` or `push a CODE` for each document that the listener told of. */
  readonly told: string[];
}

/** A raw client on a session of ours, with `metrics` as collection 0. */
async function serve(
  context: TestContext,
  options: { readonly peer?: Peer; readonly enableDeltaSync?: boolean } = {},
): Promise<Served> {
  const { peer = await openPeer(context, 'ours'), enableDeltaSync = true } = options;
  const told: string[] = [];
  if (enableDeltaSync) cleanup(context, storeOf(peer.metrics).keepBodies()); // as a listener does
  const pair = loopbackPair();
  const session = new PassiveSession({
    connection: pair.b,
    collections: [peer.metrics as never],
    access: [{ collection: peer.metrics as never, push: true, pull: true }],
    enableDeltaSync,
    silenceMs: 60_000,
    clock: systemClock,
    logger: memoryLogger(),
    onDocument: ({ isPush, documentID, error }) =>
      told.push([isPush ? 'push' : 'pull', documentID, ...(error === undefined ? [] : [error.code])].join(' ')),
  });
  const raw = new RawBlipPeer(pair.a);
  const ended = session.run();
  await raw.open();
  const timer = setTimeout(() => void raw.leave(), 10_000); // a test that waits in vain is to fail
  cleanup(context, async () => {
    clearTimeout(timer);
    await raw.leave();
    await ended;
    assert.deepEqual(raw.faults, [], 'our side broke the rules of BLIP');
  });
  await getCollections(raw);
  return { peer, raw, told };
}

type Entry = [sequence: number, id: string, revisionID: string, deleted: number, bytes: number];

function entries(request: RawRequest): Entry[] {
  return JSON.parse(request.text) as Entry[];
}

async function subscribe(raw: RawBlipPeer, properties: Record<string, string> = {}, body = ''): Promise<void> {
  const reply = await raw.request({ Profile: 'subChanges', collection: '0', ...properties }, body);
  assert.equal(reply.error, undefined);
}

/** All that is announced until the end of the backlog, nothing of it being wanted. */
async function backlog(raw: RawBlipPeer): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const request = await raw.next('changes');
    const list = entries(request);
    if (list.length === 0) return all;
    all.push(...list);
    raw.reply(request, '[]', WILLING);
  }
}

describe('a passive pusher sends deltas', LIMIT, () => {
  /** A document with a second revision here; resolves to both IDs. */
  async function edited(peer: Peer): Promise<[first: string, second: string]> {
    const first = await peer.metrics.save('d', { n: 1, text: TEXT });
    const second = await peer.metrics.save('d', { n: 2, text: TEXT });
    return [first.revisionID, second.revisionID];
  }

  async function ask(raw: RawBlipPeer, answer: string, properties: Record<string, string>): Promise<RawRequest> {
    await subscribe(raw);
    raw.reply(await raw.next('changes'), answer, properties);
    return raw.next('rev');
  }

  it('to the first revision which the peer reports and whose body is here', async (context) => {
    const { peer, raw, told } = await serve(context);
    const [first, second] = await edited(peer);
    const rev = await ask(raw, JSON.stringify([[revisionID(1, 'f'), first]]), WILLING);
    assert.equal(rev.text, '{"n":2}');
    assert.equal(rev.properties['deltaSrc'], first);
    assert.equal(rev.properties['rev'], second);
    assert.equal(rev.properties['history'], first);
    raw.refuse(rev, 'HTTP/422');
    const whole = await raw.next('rev');
    assert.equal(whole.text, `{"n":2,"text":"${TEXT}"}`);
    assert.deepEqual({ ...whole.properties, deltaSrc: first }, rev.properties);
    raw.reply(whole);
    await settled(raw);
    assert.deepEqual(told, ['push d']);
  });

  it('not where the peer has no revision, does not ask for deltas, or the listener makes none', async (context) => {
    const { peer, raw } = await serve(context);
    const [first] = await edited(peer);
    assert.equal((await ask(raw, '[[]]', WILLING)).properties['deltaSrc'], undefined);
    const other = await serve(context, { peer });
    const { properties } = await ask(other.raw, JSON.stringify([[first]]), { blobs: 'true' });
    assert.equal(properties['deltaSrc'], undefined);
    const third = await serve(context, { peer, enableDeltaSync: false });
    assert.equal((await ask(third.raw, JSON.stringify([[first]]), WILLING)).properties['deltaSrc'], undefined);
  });
});

describe('a passive pusher', LIMIT, () => {
  it('sends what it has announced, though it has changed meanwhile, and then announces the change', async (context) => {
    const { peer, raw } = await serve(context);
    const first = await peer.metrics.save('d', { n: 1 });
    await subscribe(raw, { continuous: 'true' });
    const announced = await raw.next('changes');
    const second = await peer.metrics.save('d', { n: 2 });
    raw.reply(announced, '[[]]', WILLING);
    const rev = await raw.next('rev');
    assert.deepEqual([rev.properties['rev'], rev.properties['sequence'], rev.text], [first.revisionID, '1', '{"n":1}']);
    raw.reply(rev);
    let next = await raw.next('changes');
    if (entries(next).length === 0) next = await raw.next('changes');
    assert.deepEqual(entries(next)[0]?.slice(0, 3), [2, 'd', second.revisionID]);
  });

  it('sends the current revision in place of the one it has announced to a peer that takes it', async (context) => {
    const { peer, raw } = await serve(context);
    const first = await peer.metrics.save('d', { n: 1 });
    await peer.metrics.save('gone', { n: 1 });
    await peer.metrics.save('same', { n: 1 });
    await subscribe(raw, { sendReplacementRevs: '1' });
    const announced = await raw.next('changes');
    const second = await peer.metrics.delete('d').then(async () => (await storeOf(peer.metrics).documents(['d']))[0]);
    await peer.metrics.purge('gone');
    raw.reply(announced, '[[],[],[]]', WILLING);
    const revs = [await raw.next('rev'), await raw.next('rev')];
    const replaced = revs.find(({ properties }) => properties['id'] === 'd');
    assert.deepEqual(replaced?.properties, {
      Profile: 'rev',
      collection: '0',
      id: 'd',
      rev: second?.revisionID,
      replacedRev: first.revisionID,
      sequence: '1',
      deleted: '1',
      history: first.revisionID,
    });
    const same = revs.find(({ properties }) => properties['id'] === 'same');
    assert.equal(same?.properties['replacedRev'], undefined);
    const withdrawn = await raw.next('norev');
    assert.deepEqual(withdrawn.properties, {
      Profile: 'norev',
      collection: '0',
      id: 'gone',
      rev: entries(announced)[1]?.[2],
      sequence: '2',
      error: '404',
      reason: 'not found',
    });
  });

  it('announces nothing of what has expired, nothing for no document IDs, and only the documents asked for', async (context) => {
    const peer = await openPeer(context, 'ours');
    for (const id of ['a', 'b', 'c']) await peer.metrics.save(id, { id });
    const ids = async (body: string): Promise<string[]> => {
      const { raw } = await serve(context, { peer });
      await subscribe(raw, {}, body);
      return (await backlog(raw)).map(([, id]) => id);
    };
    assert.deepEqual(await ids('{"docIDs":[]}'), []);
    assert.deepEqual(await ids('{"docIDs":["b","nobody"]}'), ['b']);
    assert.deepEqual(await ids(''), ['a', 'b', 'c']);
  });

  it('never leaves a peer with a document whose tombstone was being written when it subscribed', async (context) => {
    for (let round = 0; round < 20; round++) {
      const peer = await openPeer(context, `round${round}`);
      await peer.metrics.save('d', { n: 1 });
      await peer.metrics.save('kept', { n: 1 });
      const { raw } = await serve(context, { peer });
      const deleted = peer.metrics.delete('d');
      for (let turn = 0; turn < round; turn++) await Promise.resolve();
      await subscribe(raw, { activeOnly: 'true', continuous: 'true' });
      await deleted;
      const announced = await backlog(raw);
      const live = announced.some(([, id, , gone]) => id === 'd' && gone === 0);
      const told = announced.some(([, id, , gone]) => id === 'd' && gone === 1);
      if (live && !told) assert.equal(entries(await raw.next('changes'))[0]?.[3], 1, `round ${round}`);
    }
  });

  it('tells of each document that it has sent, or that was refused, after the answer', async (context) => {
    const { peer, raw, told } = await serve(context);
    for (const id of ['a', 'b', 'c']) await peer.metrics.save(id, { id });
    await subscribe(raw);
    raw.reply(await raw.next('changes'), '[[],0,[]]', WILLING);
    const [first, second] = [await raw.next('rev'), await raw.next('rev')];
    assert.deepEqual(told, []);
    raw.reply(first);
    raw.refuse(second, 'HTTP/403');
    await settled(raw);
    assert.deepEqual(told, ['push a', 'push c ACCESS_DENIED']);
  });
});
