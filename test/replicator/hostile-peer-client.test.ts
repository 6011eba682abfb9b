/**
 * Active peers that are strange, wrong or malicious, against our passive session: what a real core does with each message
 * is in ground truth 2, 3.1 and 9; ours answers with an error and goes on where the core closes or crashes.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIN_UNANSWERED_LISTS } from '../../src/replicator/tuning.js';
import {
  assertSound,
  connectRaw,
  getCollections,
  revisionID,
  serveCollections,
  serveRaw,
  storeOf,
} from '../support/hostile.js';
import { whenChanged } from '../support/peers.js';
import type { RawBlipPeer, RawReply } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const [A1, A2, A3] = [revisionID(1), revisionID(2), revisionID(3)];
const [B1, B2, B3] = [revisionID(1, 'b'), revisionID(2, 'b'), revisionID(3, 'b')];

/** A `rev` of document `d`. */
function rev(raw: RawBlipPeer, properties: Record<string, string>, body: string | Uint8Array = '{"n":1}') {
  return raw.request({ Profile: 'rev', collection: '0', id: 'd', rev: '1-aa', ...properties }, body);
}

function changes(raw: RawBlipPeer, body: string) {
  return raw.request({ Profile: 'changes', collection: '0' }, body);
}

function proposals(raw: RawBlipPeer, body: string, properties: Record<string, string> = {}) {
  return raw.request({ Profile: 'proposeChanges', collection: '0', ...properties }, body);
}

function listed(reply: RawReply): unknown {
  assert.equal(reply.error, undefined, reply.text);
  return reply.text === '' ? [] : JSON.parse(reply.text);
}

describe('a rev that an active peer sends', LIMIT, () => {
  it('is stored without having been announced, however many there are', async (context) => {
    const served = await serveCollections(context);
    const replies = await Promise.all(
      Array.from({ length: 10_000 }, (_, index) => rev(served.raw, { id: `d${index}`, sequence: String(index) })),
    );
    assert.deepEqual([...new Set(replies.map((reply) => reply.error))], [undefined]);
    assert.equal(await served.peer.metrics.count(), 10_000);
    assert.equal(served.listener.status.activeConnectionCount, 0);
    await assertSound(served);
  });

  it('is refused without harm where its body is no document', async (context) => {
    const served = await serveCollections(context);
    const deep = (levels: number): string => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);
    for (const body of [
      '',
      '{"a":',
      'null',
      '[1]',
      '"x"',
      'nojson',
      '{"a":"\\ud800"}',
      '{"a":1,"a":2}',
      '{"":1}',
      '{"a":1e400}',
      '{"a":inf}',
      deep(150),
      Buffer.from('7b2261223a22ff227d', 'hex'),
    ]) {
      const reply = await rev(served.raw, {}, body);
      assert.equal(reply.error, 'LiteCore/5', String(body).slice(0, 20));
    }
    assert.equal((await rev(served.raw, {}, deep(100))).error, undefined);
    assert.equal(await served.peer.metrics.count(), 1);
    assert.equal(served.problems.length, 13);
    await assertSound(served);
  });

  it('is a tombstone with or without a body', async (context) => {
    const served = await serveCollections(context);
    assert.equal((await rev(served.raw, { id: 'x', deleted: '1' }, '')).error, undefined);
    assert.equal((await rev(served.raw, { id: 'y', deleted: 'true' }, '{}')).error, undefined);
    assert.equal((await rev(served.raw, { id: 'z', deleted: '1' }, '{"last":"word"}')).error, undefined);
    assert.equal(await served.peer.metrics.count(), 0);
    await assertSound(served);
  });

  it('with a delta is never taken for a whole document, and is asked for in whole', async (context) => {
    const served = await serveCollections(context);
    await rev(served.raw, { rev: A1 }, '{"n":1,"keep":true}');
    for (const body of ['{"n":2}', '[{"n":2}]', 'nojson', '']) {
      const reply = await rev(served.raw, { rev: A2, history: A1, deltaSrc: A1 }, body);
      assert.equal(reply.error, 'HTTP/422', body);
    }
    assert.equal((await rev(served.raw, { id: 'unknown', rev: A2, deltaSrc: A1 }, '{}')).error, 'HTTP/422');
    assert.equal((await served.peer.metrics.get('d'))?.revisionID, A1);
    assert.equal((await rev(served.raw, { rev: A2, history: A1 }, '{"n":2,"keep":true}')).error, undefined);
    assert.deepEqual((await served.peer.metrics.get('d'))?.body, { n: 2, keep: true });
    await assertSound(served);
  });

  it('is refused where its history cannot be', async (context) => {
    const served = await serveCollections(context);
    await rev(served.raw, { rev: '5-aa', history: '4-aa,3-aa' });
    for (const [id, history] of [
      ['5-ee', '3-bb'],
      ['5-ee', '5-bb'],
      ['5-ee', '6-bb'],
      ['3-aa', '2-bb,3-aa'],
      ['5-ee', '4-bb,'],
      ['5-ee', 'junk'],
      ['5-ee', ',4-bb'],
      ['25-ee', chain(24, 20) + ',2-aa'],
    ] as const) {
      const reply = await rev(served.raw, { id: 'other', rev: id, history });
      assert.equal(reply.error, 'LiteCore/4', `${id} ${history}`);
    }
    assert.equal(await served.peer.metrics.count(), 1);
    await assertSound(served);
  });

  it('is taken where its history ends early, or has a gap behind what anybody remembers', async (context) => {
    const served = await serveCollections(context);
    for (const [index, history] of ['', '4-bb', '4-bb,3-bb', ' 4-bb, 3-bb '].entries()) {
      const reply = await rev(served.raw, { id: `early${index}`, rev: '5-ee', history });
      assert.equal(reply.error, undefined, history);
    }
    for (const length of [49, 50, 55, 3_000]) {
      const history = `${chain(9_999, length)},2-aa`;
      const reply = await rev(served.raw, { id: `long${length}`, rev: '10000-ee', history });
      assert.equal(reply.error, undefined, String(length));
    }
    await assertSound(served);
  });

  it('may have a gap in its history before a revision that is here, as of a device that was long offline', async (context) => {
    const served = await serveCollections(context);
    await rev(served.raw, { rev: '2-aa', history: '1-aa' });
    // 49 ancestors at the most, of which the last is the one that both have.
    const history = `${chain(60, 48)},2-aa`;
    assert.equal((await rev(served.raw, { rev: '61-ee', history: `${chain(60, 48)},2-bb` })).error, 'LiteCore/4');
    assert.equal((await rev(served.raw, { rev: '61-ee', history, noconflicts: '1' })).error, undefined);
    assert.equal((await served.peer.metrics.get('d'))?.revisionID, '61-ee');
    // Before an ancestor that is not the current revision, it is a conflict like any other.
    assert.equal((await rev(served.raw, { rev: '71-ff', history: `${chain(70, 3)},2-aa` })).error, 'HTTP/409');
    await assertSound(served);
  });

  it('is refused for an ID that is none, of a revision or of a document', async (context) => {
    const served = await serveCollections(context);
    for (const id of [
      '1-abc',
      '1-ABCD',
      '1-abcx',
      '0-aa',
      '1-',
      '-aa',
      '1',
      '',
      `1-${'a'.repeat(120)}`,
      '4294967296-aa',
      '1@AAAAAAAAAAAAAAAAAAAAAA',
      '1-aa\u0002',
    ]) {
      assert.equal((await rev(served.raw, { rev: id })).error, 'LiteCore/4', id);
    }
    for (const id of ['', '_under', 'a\u0001', 'x'.repeat(241), 'é'.repeat(121)]) {
      assert.equal((await rev(served.raw, { id })).error, 'LiteCore/29', id);
    }
    assert.equal(await served.peer.metrics.count(), 0);
    for (const id of ['x'.repeat(240), 'é'.repeat(120), '\u007f', ' ', '__proto__'.slice(2), '𝄞']) {
      assert.equal((await rev(served.raw, { id })).error, undefined, id);
    }
    await assertSound(served);
  });

  it('may have zeros before its generation, and a digest of up to 41 bytes', async (context) => {
    const served = await serveCollections(context);
    assert.equal((await rev(served.raw, { rev: '01-aa' })).error, undefined);
    assert.equal((await served.peer.metrics.get('d'))?.revisionID, '1-aa');
    for (const bytes of [38, 40, 41]) {
      assert.equal((await rev(served.raw, { id: `d${bytes}`, rev: `1-${'ab'.repeat(bytes)}` })).error, undefined);
    }
    assert.equal((await rev(served.raw, { id: 'd42', rev: `1-${'ab'.repeat(42)}` })).error, 'LiteCore/4');
  });

  it('is refused with 409 where it conflicts, flagged or not, and answered "noop" where it is there', async (context) => {
    const served = await serveCollections(context);
    await rev(served.raw, { rev: A2, history: A1 });
    for (const properties of [{}, { noconflicts: '1' }]) {
      assert.equal((await rev(served.raw, { rev: B2, history: B1, ...properties })).error, 'HTTP/409');
      assert.equal((await rev(served.raw, { rev: B3, history: A1, ...properties })).error, 'HTTP/409');
      assert.equal((await rev(served.raw, { rev: B3, history: B1, ...properties })).error, 'LiteCore/4');
      for (const known of [A2, A1]) {
        const reply = await rev(served.raw, { rev: known, ...properties });
        assert.deepEqual([reply.error, reply.properties], [undefined, { noop: 'true' }]);
      }
    }
    assert.equal((await served.peer.metrics.get('d'))?.revisionID, A2);
    await assertSound(served);
  });

  it('may be very large, and lets other requests by', async (context) => {
    const served = await serveCollections(context);
    const order: string[] = [];
    const note = (name: string) => (reply: RawReply) => void order.push(`${name} ${reply.error ?? 'ok'}`);
    const text = Array.from({ length: 200_000 }, (_, index) => `${index * 7919}`).join(' ');
    const all = [rev(served.raw, { id: 'large' }, JSON.stringify({ text })).then(note('large'))];
    for (let index = 0; index < 50; index++) {
      all.push(rev(served.raw, { id: `small${index}` }).then(note('small')));
      all.push(proposals(served.raw, '[["x","1-aa"]]').then(note('proposal')));
    }
    await Promise.all(all);
    assert.equal(new Set(order).size, 3);
    // How many pass it depends on the disk; that any does shows that they need not wait for it.
    assert.ok(order.indexOf('large ok') > order.indexOf('proposal ok'), order.join());
    assert.equal((await served.peer.metrics.get('large'))?.body.text, text);
  });

  it('is refused where it is larger than any document may be', async (context) => {
    const served = await serveCollections(context);
    const body = `{"a":"${'x'.repeat(20 * 1024 * 1024)}"}`;
    assert.equal((await rev(served.raw, {}, body)).error, 'HTTP/413');
    await assertSound(served);
  });

  it('loses its reserved properties, and no others', async (context) => {
    const served = await serveCollections(context);
    const body = '{"_id":"x","a":{"_y":1},"_rev":"1-aa","_foo":[{"}":"{"}],"b":[1.0,9007199254740993]}';
    assert.equal((await rev(served.raw, {}, body)).error, undefined);
    assert.equal((await served.peer.metrics.get('d'))?.toJSONText(), '{"a":{"_y":1},"b":[1.0,9007199254740993]}');
    assert.equal((await rev(served.raw, { id: 'only' }, '{"_a":1}')).error, undefined);
    assert.equal((await served.peer.metrics.get('only'))?.toJSONText(), '{}');
  });

  it('needs no answer if it wants none, whatever is wrong with it', async (context) => {
    const served = await serveCollections(context);
    for (const properties of [{ id: '' }, { rev: 'junk' }, { collection: '7' }, {}]) {
      served.raw.notify({ Profile: 'rev', collection: '0', id: 'd', rev: '1-aa', ...properties }, '{"n":1}');
    }
    served.raw.notify({ Profile: 'norev', collection: '0', id: 'd', rev: '1-aa', error: '503' });
    served.raw.notify({ Profile: 'getCheckpoint', collection: '0' });
    served.raw.notify({ Profile: 'nonsense' });
    await whenChanged(served.peer.metrics, async () => (await served.peer.metrics.count()) === 1);
    assert.equal((await served.raw.request({ Profile: 'norev', collection: '0', id: 'd' })).error, undefined);
    await assertSound(served);
  });
});

describe('changes from an active peer', LIMIT, () => {
  it('are answered with what is wanted, what is here and what conflicts', async (context) => {
    const { raw, ...served } = await serveCollections(context);
    await rev(raw, { id: 'same', rev: A2, history: A1 });
    const list = [
      [1, 'new', A1],
      [2, 'same', A2],
      [null, 'same', A1],
      ['x', 'same', B2],
      [5, 'same', A3],
    ];
    const reply = await changes(raw, JSON.stringify(list));
    assert.deepEqual(listed(reply), [[], 0, 0, 409, [A2, A1]]);
    assert.equal(reply.properties['maxHistory'], '50');
    await assertSound({ raw, ...served });
  });

  it('and proposals are refused as a whole for an entry that is none', async (context) => {
    const served = await serveCollections(context);
    const entries = [
      ['q'],
      ['q', ''],
      ['q', '1'],
      ['q', 5],
      ['', A1],
      ['x'.repeat(256), A1],
      [5, A1],
      7,
      'q',
      {},
      null,
    ];
    for (const entry of entries) {
      const proposal = JSON.stringify([['good', A1], entry]);
      assert.equal((await proposals(served.raw, proposal)).error, 'LiteCore/26', proposal);
      const change = JSON.stringify([[1, 'good', A1], Array.isArray(entry) ? [1, ...entry] : entry]);
      assert.equal((await changes(served.raw, change)).error, 'LiteCore/26', change);
    }
    for (const body of ['[[1,', 'xx', '', Buffer.from('ff', 'hex')]) {
      assert.equal((await changes(served.raw, String(body))).error, 'BLIP/400');
      assert.equal((await proposals(served.raw, String(body))).error, 'BLIP/400');
    }
    for (const body of ['{}', '3', '"x"']) {
      assert.notEqual((await changes(served.raw, body)).error, undefined, body);
      assert.notEqual((await proposals(served.raw, body)).error, undefined, body);
    }
    for (const body of ['null', '[]']) {
      assert.deepEqual(listed(await changes(served.raw, body)), []);
      assert.deepEqual(listed(await proposals(served.raw, body)), []);
    }
    await assertSound(served);
  });

  it('and proposals may name what only a rev would be refused for', async (context) => {
    const served = await serveCollections(context);
    const ids = ['1-abc', '1-ABCD', '1-abcx', '0-aa', '1-', '-aa', `1-${'a'.repeat(120)}`, '1-\u0002', '1-\ud800'];
    assert.deepEqual(
      listed(await changes(served.raw, JSON.stringify(ids.map((id) => [1, 'q', id])))),
      ids.map(() => []),
    );
    assert.deepEqual(listed(await proposals(served.raw, JSON.stringify(ids.map((id) => ['q', id])))), []);
    const documents = ['_under', 'a\u0001', 'a\u0002', '\u0000', 'x'.repeat(255), '\ud800', "'; DROP TABLE docs_1; --"];
    assert.deepEqual(
      listed(await changes(served.raw, JSON.stringify(documents.map((id) => [1, id, A1])))),
      documents.map(() => []),
    );
    assert.deepEqual(listed(await proposals(served.raw, JSON.stringify(documents.map((id) => [id, A1])))), []);
    await assertSound(served);
  });

  it('may come in huge lists', async (context) => {
    const served = await serveCollections(context);
    const list = Array.from({ length: 20_000 }, (_, index) => [`document-${index}`, A1, '', 100]);
    assert.deepEqual(listed(await proposals(served.raw, JSON.stringify(list))), []);
    const answers = listed(await changes(served.raw, JSON.stringify(list.map((entry) => [1, ...entry]))));
    assert.equal((answers as unknown[]).length, 20_000);
    await assertSound(served);
  });

  it('are refused in lists that no honest peer sends', async (context) => {
    const served = await serveCollections(context);
    const body = `[${'[],'.repeat(2_000_000)}[]]`;
    assert.notEqual((await proposals(served.raw, body)).error, undefined);
    assert.notEqual((await changes(served.raw, '['.repeat(5_000_000))).error, undefined);
    await assertSound(served);
  });
});

describe('proposals from an active peer', LIMIT, () => {
  it('are judged as a core judges them', async (context) => {
    const { raw, peer, ...served } = await serveCollections(context);
    await rev(raw, { id: 'live', rev: A2, history: A1 });
    await rev(raw, { id: 'gone', rev: A2, history: A1, deleted: '1' }, '{}');
    const includeRevision = { conflictIncludesRev: 'true' };
    const conflict = { status: 409, rev: A2 };
    for (const [entry, answer, withRevision] of [
      [['new', A1], [], []],
      [['new', A1, ''], [], []],
      [['new', A1, null, 100], [], []],
      [['new', A2, A1], [409], [{ status: 409, rev: '' }]],
      [['live', A2], [304], [304]],
      [['live', A3, A2], [], []],
      [['live', B3, A2], [], []],
      [['live', B1], [409], [conflict]],
      [['live', B2, A1], [409], [conflict]],
      [['live', A1], [409], [conflict]],
      [['gone', B1], [], []],
      [['gone', A3, A2], [], []],
    ] as const) {
      const text = JSON.stringify([entry]);
      assert.deepEqual(listed(await proposals(raw, text)), answer, text);
      assert.deepEqual(listed(await proposals(raw, text, includeRevision)), withRevision, text);
    }
    const mixed = [
      ['new', A1],
      ['live', B1],
      ['new', A1],
      ['new', B1],
    ];
    assert.deepEqual(listed(await proposals(raw, JSON.stringify(mixed))), [0, 409]);
    await assertSound({ raw, peer, ...served });
  });
});

describe('checkpoints of an active peer', LIMIT, () => {
  it('are kept as opaque text under their revisions', async (context) => {
    const { raw } = await serveCollections(context);
    const set = (properties: Record<string, string>, body: string) =>
      raw.request({ Profile: 'setCheckpoint', collection: '0', client: 'c', ...properties }, body);
    const get = (client: string) => raw.request({ Profile: 'getCheckpoint', collection: '0', client });
    assert.equal((await get('c')).error, 'HTTP/404');
    assert.equal((await set({ rev: '1-cc' }, '{}')).error, 'HTTP/409');
    let revision = '';
    for (const body of ['{"local":1}', 'nojson', '', '\u0000 "', '{"rev":"5-xx","_rev":"x"}']) {
      const reply = await set({ rev: revision }, body);
      assert.equal(reply.error, undefined, body);
      revision = reply.properties['rev'] ?? '';
      const stored = await get('c');
      assert.deepEqual([stored.text, stored.properties['rev']], [body, revision]);
    }
    for (const stale of ['', '1-cc', 'x']) assert.equal((await set({ rev: stale }, 'new')).error, 'HTTP/409', stale);
    assert.equal((await set({ client: '' }, '{}')).error, 'BLIP/400');
    assert.equal((await set({ client: 'x'.repeat(5_000) }, '{}')).error, 'BLIP/400');
    assert.equal((await set({ rev: revision }, 'x'.repeat(1024 * 1024 + 1))).error, 'BLIP/400');
    assert.equal((await raw.request({ Profile: 'getCheckpoint', collection: '0' })).error, 'BLIP/400');
  });

  it('come back with their revision from getCollections, whatever was stored', async (context) => {
    const { raw, listener } = await serveCollections(context);
    const bodies = [
      '{"local":1,"remote":9007199254740993}',
      'nojson',
      '[1]',
      '{"rev":"x","a":null}',
      '{"__proto__":1}',
    ];
    for (const [index, body] of bodies.entries()) {
      await raw.request({ Profile: 'setCheckpoint', collection: '0', client: `cp-${index}` }, body);
      const other = await connectRaw(context, listener);
      const reply = await other.request(
        { Profile: 'getCollections' },
        JSON.stringify({ collections: ['metrics'], checkpoint_ids: [`cp-${index}`] }),
      );
      const expected = /^\{/.test(body) ? body.slice(1, -1).replace('"rev":"x",', '') : '';
      const [{ rev: revision, ...rest }] = JSON.parse(reply.text) as [Record<string, unknown>];
      assert.equal(revision, '1-cc');
      if (index !== 0) assert.deepEqual(rest, JSON.parse(`{${expected}}`));
      else assert.ok(reply.text.includes('"remote":9007199254740993'), reply.text);
    }
  });
});

describe('the first message of an active peer', LIMIT, () => {
  const open = (raw: RawBlipPeer, body: unknown) => raw.request({ Profile: 'getCollections' }, JSON.stringify(body));

  it('may be wrong and come again', async (context) => {
    const { raw } = await serveRaw(context);
    const two = { collections: ['metrics', 'metrics'], checkpoint_ids: ['a', 'b'] };
    for (const body of [
      null,
      [],
      3,
      {},
      { collections: ['metrics'] },
      { checkpoint_ids: ['a'] },
      { collections: [], checkpoint_ids: [] },
      { collections: ['metrics'], checkpoint_ids: ['a', 'b'] },
      { collections: [5], checkpoint_ids: ['a'] },
      { collections: [''], checkpoint_ids: ['a'] },
      { collections: ['metrics'], checkpoint_ids: [null] },
      { collections: 'metrics', checkpoint_ids: 'a' },
      two,
      { ...two, collections: ['metrics', '_default.metrics'] },
      { collections: Array.from({ length: 2_000 }, (_, i) => `c${i}`), checkpoint_ids: Array(2_000).fill('a') },
    ]) {
      const reply = await open(raw, body);
      assert.equal(reply.error, 'BLIP/400', JSON.stringify(body)?.slice(0, 80));
    }
    assert.equal((await raw.request({ Profile: 'getCollections' }, 'no{json')).error, 'BLIP/400');
    assert.equal((await raw.request({ Profile: 'getCheckpoint', client: 'c' })).error, 'BLIP/400');
    assert.equal((await raw.request({ Profile: 'subChanges', collection: '0' })).error, 'HTTP/400');
    await getCollections(raw);
    assert.equal((await open(raw, { collections: ['metrics'], checkpoint_ids: ['a'] })).error, 'BLIP/400');
    assert.equal((await raw.request({ Profile: 'getCheckpoint', collection: '0', client: 'c' })).error, 'HTTP/404');
  });

  it('may name collections that are not there, which does not cost those that are', async (context) => {
    const { raw, peer } = await serveRaw(context);
    await peer.metrics.save('d', {});
    const names = ['metrics', 'a.b.c', 'other', '_default._default', '.', 'x.metrics', '__proto__', 'constructor'];
    const reply = await open(raw, { collections: names, checkpoint_ids: names });
    assert.deepEqual(JSON.parse(reply.text), [{}, ...Array(7).fill(null)]);
    assert.equal((await raw.request({ Profile: 'subChanges', collection: '0' })).error, undefined);
    assert.equal(JSON.parse((await raw.next('changes')).text)[0][1], 'd');
    for (const index of ['1', '7', '8', '999999']) {
      assert.equal((await raw.request({ Profile: 'subChanges', collection: index })).error, 'HTTP/400', index);
    }
    for (const index of ['-1', 'abc', '0x0', '1e0', ' 0', '9999999999', '']) {
      assert.equal((await raw.request({ Profile: 'subChanges', collection: index })).error, 'HTTP/400', index);
    }
    assert.equal((await raw.request({ Profile: 'subChanges' })).error, 'HTTP/400');
  });

  it('decides for messages without collections, where the default collection is served', async (context) => {
    const { openPeer } = await import('../support/peers.js');
    const peer = await openPeer(context, 'ours');
    const standard = peer.database.collection();
    const { raw } = await serveRaw(context, { peer, served: [standard, peer.metrics] });
    assert.equal((await raw.request({ Profile: 'getCheckpoint', client: 'c' })).error, 'HTTP/404');
    assert.equal((await raw.request({ Profile: 'getCheckpoint', collection: '0', client: 'c' })).error, 'HTTP/400');
    assert.equal((await open(raw, { collections: ['_default'], checkpoint_ids: ['c'] })).error, 'BLIP/400');
    assert.equal((await raw.request({ Profile: 'rev', id: 'd', rev: '1-aa' }, '{"n":1}')).error, undefined);
    assert.ok(await standard.get('d'));
  });

  it('need not be waited for', async (context) => {
    const { raw, peer } = await serveRaw(context);
    const body = JSON.stringify({ collections: ['metrics'], checkpoint_ids: ['c'] });
    const replies = await Promise.all([
      raw.request({ Profile: 'getCollections' }, body),
      raw.request({ Profile: 'getCollections' }, body),
      raw.request({ Profile: 'getCheckpoint', collection: '0', client: 'c' }),
      rev(raw, {}),
      raw.request({ Profile: 'subChanges', collection: '0' }),
    ]);
    assert.deepEqual(
      replies.map((reply) => reply.error),
      [undefined, 'BLIP/400', 'HTTP/404', undefined, undefined],
    );
    assert.equal(await peer.metrics.count(), 1);
  });

  it('may be of a kind that is unknown, now or later', async (context) => {
    const { raw } = await serveRaw(context);
    for (const profile of ['unsubChanges', 'PING', 'profile', '', 'getcollections', '__proto__', 'getattachment']) {
      const reply = await raw.request({ Profile: profile, collection: '0' });
      assert.deepEqual([reply.error, reply.text], ['BLIP/404', 'no handler for message'], profile);
    }
    assert.equal((await raw.request({ profile: 'getCollections' })).error, 'BLIP/404');
    assert.equal((await raw.request({})).error, 'BLIP/404');
    await getCollections(raw);
  });
});

describe('the feed for an active peer', LIMIT, () => {
  const subscribe = (raw: RawBlipPeer, properties: Record<string, string> = {}, body = '') =>
    raw.request({ Profile: 'subChanges', collection: '0', ...properties }, body);

  /** Subscribes and takes nothing; resolves to the IDs announced before the empty list. */
  async function announced(raw: RawBlipPeer, properties: Record<string, string>, body = ''): Promise<string[]> {
    assert.equal((await subscribe(raw, properties, body)).error, undefined);
    const ids: string[] = [];
    for (;;) {
      const request = await raw.next('changes');
      const list = JSON.parse(request.text) as [number, string][];
      if (list.length === 0) return ids;
      ids.push(...list.map(([, id]) => id));
      raw.reply(request, '[]');
    }
  }

  it('begins after a whole number, and at the beginning for anything else', async (context) => {
    const { peer, listener } = await serveRaw(context);
    for (const id of ['a', 'b', 'c']) await peer.metrics.save(id, {});
    await peer.metrics.delete('b');
    for (const [properties, expected, body] of [
      [{}, 'a c b'],
      [{ since: '1' }, 'c b'],
      [{ since: '0' }, 'a c b'],
      [{ since: '4' }, ''],
      [{ since: '99999999' }, ''],
      [{ since: '9007199254740993' }, 'a c b'],
      [{ since: '"1"' }, 'a c b'],
      [{ since: 'junk' }, 'a c b'],
      [{ since: '-1' }, 'a c b'],
      [{ since: '1.5' }, 'a c b'],
      [{ since: '"1::5"' }, 'a c b'],
      [{ since: 'null' }, 'a c b'],
      [{ batch: '2' }, 'a c b'],
      [{ activeOnly: 'true' }, 'a c'],
      [{ channels: 'x,y' }, 'a c b'],
      [{}, 'c b', '{"docIDs":["c","b","unknown",5]}'],
      [{}, '', '{"docIDs":[]}'],
      [{}, 'a c b', '{"docIDs":"a"}'],
      [{}, 'a c b', 'nojson'],
      [{ versioning: 'rev-trees' }, 'a c b'],
    ] as const) {
      const raw = await connectRaw(context, listener);
      await getCollections(raw);
      assert.equal((await announced(raw, properties, body)).join(' '), expected, JSON.stringify([properties, body]));
    }
  });

  it('is refused with a filter, and for versions of another kind', async (context) => {
    const { raw } = await serveCollections(context);
    assert.equal((await subscribe(raw, { filter: 'sync_gateway/bychannel' })).error, 'LiteCore/19');
    assert.equal((await subscribe(raw, { versioning: 'version-vectors' })).error, 'LiteCore/501');
    assert.equal((await subscribe(raw, { versioning: 'junk' })).error, 'LiteCore/501');
    assert.equal((await subscribe(raw)).error, undefined);
  });

  it('is one: a second subscription gets an answer and nothing more', async (context) => {
    const { raw, peer } = await serveCollections(context);
    await peer.metrics.save('d', {});
    assert.deepEqual(await announced(raw, { continuous: 'true' }), ['d']);
    assert.equal((await subscribe(raw, { continuous: 'true' })).error, undefined);
    assert.equal((await subscribe(raw)).error, undefined);
    await peer.metrics.save('e', {});
    raw.reply(await raw.next('changes'), '[]');
    const lists = raw.requests.filter(({ profile }) => profile === 'changes').map(({ text }) => text);
    assert.equal(lists.filter((text) => text === '[]').length, 1);
    assert.equal(lists.filter((text) => text.includes('"e"')).length, 1);
  });

  it('sends what the answer asks for with an array, and nothing else', async (context) => {
    for (const [answer, expected] of [
      ['[]', ''],
      ['', ''],
      ['null', ''],
      ['{}', ''],
      ['[[', ''],
      ['[[]]', 'd0'],
      ['[null,0,409,true,"x",{},[],["9-ff"]]', 'd6 d7'],
      [JSON.stringify(Array(500).fill([])), 'd0 d1 d2 d3 d4 d5 d6 d7'],
    ] as const) {
      const { raw, peer } = await serveCollections(context);
      for (let index = 0; index < 8; index++) await peer.metrics.save(`d${index}`, { index });
      await subscribe(raw);
      raw.reply(await raw.next('changes'), answer);
      const wanted = expected === '' ? [] : expected.split(' ');
      for (const id of wanted) {
        const request = await raw.next('rev');
        assert.equal(request.properties['id'], id, answer);
        raw.reply(request);
      }
      await raw.request({ Profile: 'isAnybodyThere' });
      assert.equal(raw.requests.filter(({ profile }) => profile === 'rev').length, wanted.length, answer);
    }
  });

  it('goes on after an error in place of an answer, to a list or to a revision', async (context) => {
    const { raw, peer, listener } = await serveCollections(context);
    await peer.metrics.save('a', {});
    await subscribe(raw, { continuous: 'true' });
    raw.refuse(await raw.next('changes'), 'HTTP/500');
    for (const error of ['HTTP/422', 'HTTP/404', 'HTTP/409', 'HTTP/503', 'HTTP/403', 'LiteCore/5', 'Nonsense/-1']) {
      await peer.metrics.save('b', { error });
      let request = await raw.next('changes');
      if (request.text === '[]') request = await raw.next('changes');
      raw.reply(request, '[[]]');
      raw.refuse(await raw.next('rev'), error, 'no');
    }
    await raw.request({ Profile: 'isAnybodyThere' });
    assert.equal(listener.status.activeConnectionCount, 0);
  });

  it('names as many ancestors as were asked for, the revision counted', async (context) => {
    const { peer, listener } = await serveRaw(context);
    for (let round = 1; round <= 8; round++) await peer.metrics.save('d', { round });
    const { history } = (await storeOf(peer.metrics).documents(['d']))[0] ?? {};
    const ancestors = history?.split(',') ?? [];
    for (const [maxHistory, expected] of [
      ['0', 0],
      ['1', 0],
      ['2', 1],
      ['3', 2],
      ['50', 7],
      ['-4', 0],
      ['x', 7],
      [undefined, 7],
    ] as const) {
      const raw = await connectRaw(context, listener);
      await getCollections(raw);
      await subscribe(raw);
      raw.reply(await raw.next('changes'), '[[]]', maxHistory === undefined ? {} : { maxHistory });
      const request = await raw.next('rev');
      const sent = (request.properties['history'] ?? '').split(',').filter((id) => id !== '');
      assert.deepEqual(sent, ancestors.slice(0, expected), maxHistory);
      raw.reply(request);
    }
    const raw = await connectRaw(context, listener);
    await getCollections(raw);
    await subscribe(raw);
    raw.reply(await raw.next('changes'), JSON.stringify([[ancestors[4]]]), { maxHistory: '3' });
    assert.equal((await raw.next('rev')).properties['history'], `${ancestors[0]},${ancestors[4]}`);
  });

  it('does not return to the peer what it has sent, but tells it of what others send', async (context) => {
    const { raw, listener } = await serveCollections(context);
    assert.deepEqual(await announced(raw, { continuous: 'true' }), []);
    const other = await connectRaw(context, listener);
    await getCollections(other);
    for (let index = 0; index < 20; index++) {
      await rev(raw, { id: `mine${index}` });
      await rev(other, { id: `its${index}` });
    }
    const told: string[] = [];
    while (told.length < 20) {
      const request = await raw.next('changes');
      told.push(...(JSON.parse(request.text) as [number, string][]).map(([, id]) => id));
      raw.reply(request, '[]');
    }
    assert.deepEqual(
      told,
      Array.from({ length: 20 }, (_, index) => `its${index}`),
    );
  });

  it('leaves out the tombstones of the backlog for good, and none that came after it', async (context) => {
    const { raw, peer } = await serveCollections(context);
    for (const id of ['a', 'b', 'c']) await peer.metrics.save(id, {});
    await peer.metrics.delete('b');
    await peer.metrics.delete('c');
    assert.deepEqual(await announced(raw, { activeOnly: 'true', continuous: 'true' }), ['a']);
    await peer.metrics.save('d', {});
    const first = await raw.next('changes');
    raw.reply(first, '[]');
    assert.deepEqual(
      (JSON.parse(first.text) as [number, string][]).map(([, id]) => id),
      ['d'],
    );
    await peer.metrics.delete('a');
    assert.deepEqual((JSON.parse((await raw.next('changes')).text) as [number, string][])[0]?.[1], 'a');
  });

  it('tells of a document that is deleted while the backlog is being sent', async (context) => {
    const { raw, peer } = await serveCollections(context);
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => peer.metrics.save(`d${index}`, { index })));
    await subscribe(raw, { activeOnly: 'true', continuous: 'true' });
    const first = await raw.next('changes');
    const [, id] = (JSON.parse(first.text) as [number, string][])[0] ?? [0, ''];
    await peer.metrics.delete(id); // the peer holds the live one by now
    await peer.metrics.save('last', {});
    const told: [number, string, string, number][] = [];
    for (let request = first; request.text !== '[]'; request = await raw.next('changes')) {
      told.push(...(JSON.parse(request.text) as [number, string, string, number][]));
      raw.reply(request, '[]');
    }
    assert.equal(told.length, 2_002);
    assert.deepEqual(
      told.filter((entry) => entry[1] === id).map((entry) => entry[3]),
      [0, 1],
    );
  });

  it('ends with what was there when it was asked for, however much is being written, if it is one-shot', async (context) => {
    const { raw, peer } = await serveCollections(context);
    await peer.metrics.save('d', {});
    let isOver = false;
    const writer = (async () => {
      for (let index = 0; !isOver; index++) await peer.metrics.save(`more${index}`, {});
    })();
    const ids = await announced(raw, {});
    isOver = true;
    await writer;
    assert.ok(ids.length < 200, String(ids.length));
  });

  it('waits for a peer that answers nothing, and for one that reads nothing', async (context) => {
    const { raw, peer, listener } = await serveCollections(context);
    await Promise.all(Array.from({ length: 3_000 }, (_, index) => peer.metrics.save(`d${index}`, { index })));
    await subscribe(raw);
    for (let list = 0; list < MIN_UNANSWERED_LISTS; list++) await raw.next('changes');
    await raw.request({ Profile: 'isAnybodyThere' });
    assert.equal(raw.requests.filter(({ profile }) => profile === 'changes').length, MIN_UNANSWERED_LISTS);
    assert.equal(listener.status.activeConnectionCount, 1);
    await listener.closeAll();
    assert.equal((await raw.ended)?.code, 'CONNECTION_CLOSED_BY_PEER');
  });
});

describe('a read-only listener', LIMIT, () => {
  it('refuses what would change a document, and serves the rest', async (context) => {
    const { raw, peer } = await serveCollections(context, { readOnly: true });
    assert.equal((await rev(raw, {})).error, 'HTTP/403');
    assert.equal((await changes(raw, '[]')).error, 'HTTP/403');
    assert.equal((await proposals(raw, '[]')).error, 'HTTP/403');
    raw.notify({ Profile: 'rev', collection: '0', id: 'd', rev: '1-aa' }, '{}');
    const set = { Profile: 'setCheckpoint', collection: '0', client: 'c' };
    assert.equal((await raw.request(set, '{}')).error, undefined);
    assert.equal(await peer.metrics.count(), 0);
  });
});

describe('an active peer that leaves in the middle', LIMIT, () => {
  for (const phase of ['getCollections', 'subChanges', 'proposeChanges', 'rev', 'setCheckpoint']) {
    it(`of ${phase} costs nothing`, async (context) => {
      const served = await serveRaw(context);
      await Promise.all(Array.from({ length: 500 }, (_, index) => served.peer.metrics.save(`d${index}`, { index })));
      const raw = served.raw;
      if (phase !== 'getCollections') await getCollections(raw);
      const collection = { collection: '0' };
      const bodies: Record<string, string> = {
        getCollections: '{"collections":["metrics"],"checkpoint_ids":["a"]}',
        proposeChanges: '[["q","1-aa"]]',
        rev: '{"n":1}',
        setCheckpoint: '{}',
      };
      for (let count = 0; count < 50; count++) {
        const properties = { Profile: phase, ...collection, id: `n${count}`, rev: '1-aa', client: 'c' };
        void raw.request(properties, bodies[phase]).catch(() => undefined);
      }
      await Promise.resolve();
      await raw.leave();
      const ended = new Promise<void>((resolve) => {
        if (served.listener.status.connectionCount === 0) resolve();
        served.listener.on('connection', ({ activity }) => activity === 'stopped' && resolve());
      });
      await ended;
      assert.equal(served.listener.status.connectionCount, 0);
      assert.deepEqual(served.errors, []);
      const again = await connectRaw(context, served.listener);
      await getCollections(again);
      await assertSound({ peer: served.peer, raw: again });
    });
  }
});

/** `length` revision IDs from generation `first` downwards. */
function chain(first: number, length: number): string {
  return Array.from({ length }, (_, index) => `${first - index}-cc`).join(',');
}
