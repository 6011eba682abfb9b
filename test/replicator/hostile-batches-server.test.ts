/** Active peers that send batches of revisions which are strange, wrong or malicious, or answer ours so, against our listener. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { seededRandom } from '../../src/index.js';
import {
  assertSound,
  connectRaw,
  getCollections,
  revisionID,
  serveCollections,
  serveRaw,
  settled,
  storeOf,
  type Served,
} from '../support/hostile.js';
import { Mutator } from '../support/mutate.js';
import { contents, openPeer, whenChanged } from '../support/peers.js';
import { batchOf, batchTo, entriesOf, idsOf, NO_BATCHES, type RawRevision } from '../support/raw-batch.js';
import type { RawBlipPeer, RawRequest } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const SEED = Number(process.env['HAWSER_FUZZ_SEED'] ?? 20_260_101);
const [A1, A2, A3] = [revisionID(1), revisionID(2), revisionID(3)];
const [B1, B2] = [revisionID(1, 'b'), revisionID(2, 'b')];
const HELLO = 'sha1-qcgXXMNSbE//Bs9x/PluyaWbs2Y=';

const proposed = (raw: RawBlipPeer, properties: Record<string, string> = {}) =>
  raw.request({ Profile: 'proposeChanges', collection: '0', ...properties }, '[["x","1-aa"]]');

describe('a batch from an active peer', LIMIT, () => {
  it('is stored exactly as it came, and answered with nothing', async (context) => {
    const served = await serveCollections(context);
    const bodies = ['{"b":[1.0,9007199254740993],"a":-0.0}', '{"é":"😀"}', '{}', '{"\\u0000":"\\ud83d\\ude00"}'];
    const reply = await batchTo(
      served.raw,
      bodies.map((body, index) => ({ id: `d${index}`, rev: A2, history: A1, body })),
    );
    assert.deepEqual([reply.error, reply.text], [undefined, '']);
    assert.deepEqual(
      await contents(served.peer.metrics),
      bodies.map((body, index) => `d${index} ${A2} ${body}`),
    );
    const [document] = await storeOf(served.peer.metrics).documents(['d0']);
    assert.equal(document?.history, A1);
    await assertSound(served);
  });

  it('that cannot be read costs its sender an error, and nothing of it is stored', async (context) => {
    const served = await serveCollections(context);
    for (const body of NO_BATCHES) {
      const reply = await batchTo(served.raw, body);
      assert.equal(reply.error, 'BLIP/400', String(body).slice(0, 60));
    }
    assert.equal(await served.peer.metrics.count(), 0);
    assert.deepEqual(served.errors, []);
    await assertSound(served);
  });

  it('may have 14,000 bytes', async (context) => {
    const { raw, peer } = await serveCollections(context);
    const room = 14_000 - Buffer.byteLength(batchOf([{ body: '{"a":""}' }])) - 4; // the length has as many digits more
    const body = `{"a":"${'x'.repeat(room)}"}`;
    assert.equal(Buffer.byteLength(batchOf([{ body }])), 14_000);
    assert.equal((await batchTo(raw, [{ body }])).error, undefined);
    assert.equal((await batchTo(raw, `${batchOf([{ body }])} `)).error, 'BLIP/400');
    assert.equal((await peer.metrics.get('d'))?.toJSONText(), body);
  });

  it('stores what is sound in it, and refuses the rest as it refuses a rev', async (context) => {
    const served = await serveCollections(context);
    const { raw, peer } = served;
    await raw.request({ Profile: 'rev', collection: '0', id: 'here', rev: A2, history: A1 }, '{"n":1}');
    const bad: RawRevision[] = [
      { id: '' },
      { id: '_under' },
      { id: '__proto__' },
      { id: 'a\u0001' },
      { id: 'x'.repeat(241) },
      { rev: '1-abc' },
      { rev: '1-AA' },
      { rev: '' },
      { rev: '0-aa' },
      { rev: '2147483649-aa' },
      { rev: A3, history: A1 },
      { rev: A2, history: A2 },
      { rev: A3, history: 'nonsense' },
      { body: '' },
      { body: '[]' },
      { body: '{"a":1' },
      { body: '{"a":1}{}' },
      { body: `{"a":${'['.repeat(300)}${']'.repeat(300)}}` },
      { body: '{"a":{"@type":"blob"},"a":1}' },
      { id: 'here', rev: B2, history: B1 },
      { id: 'here', rev: B2, history: A1 },
      { id: 'here', rev: B1 },
    ];
    for (const revision of bad) {
      const { id = 'd', rev = '1-aa', body = '{"n":1}', history = '' } = revision;
      const named = JSON.stringify(revision).slice(0, 80);
      const properties = { id: String(id), rev: String(rev), history: String(history) };
      const alone = await raw.request({ Profile: 'rev', collection: '0', ...properties }, body);
      const good = { id: `good ${bad.indexOf(revision)}` };
      const reply = await batchTo(raw, [good, revision, { ...good, id: `${good.id} too` }]);
      assert.deepEqual([reply.error, entriesOf(reply)], [undefined, [0, alone.error]], named);
      assert.notEqual(alone.error, undefined, named);
    }
    assert.equal(await peer.metrics.count(), 1 + 2 * bad.length);
    await assertSound(served);
  });

  it('says of what is here that it is, and of a conflict with which revision', async (context) => {
    const served = await serveCollections(context);
    const { raw, problems } = served;
    await batchTo(raw, [{ rev: A2, history: A1 }]);
    const reply = await batchTo(raw, [
      { rev: A2, history: A1 },
      { rev: A1 },
      { rev: B1 },
      { rev: B2, history: A1 },
      { rev: revisionID(9) },
      { id: 'new' },
    ]);
    const conflict = ['HTTP', 409, 'conflict', A2];
    assert.deepEqual(JSON.parse(reply.text), [304, 304, conflict, conflict, conflict]);
    assert.deepEqual(problems, [], 'what a proposal would have been refused for is told to nobody');
    await assertSound(served);
  });

  it('may be about one document again and again', async (context) => {
    const served = await serveCollections(context);
    const reply = await batchTo(served.raw, [
      { rev: A1, body: '{"n":1}' },
      { rev: A2, history: A1, body: '{"n":2}' },
      { rev: A1, body: '{"n":1}' },
      { rev: B2, history: A1 },
      { rev: A3, history: `${A2},${A1}`, deleted: 1, body: '{}' },
      { rev: B1, body: '{"n":"born again"}' },
    ]);
    assert.deepEqual(entriesOf(reply), [0, 0, 304, 'HTTP/409']);
    const document = await served.peer.metrics.get('d');
    assert.equal(document?.toJSONText(), '{"n":"born again"}');
    assert.ok(
      Number.parseInt(document?.revisionID ?? '', 10) > 3,
      'it descends from the deletion, which is known elsewhere',
    );
    await assertSound(served);
  });

  it('may cut a character in two, which spoils both halves and nothing else', async (context) => {
    const served = await serveCollections(context);
    const text = '{"a":"😀"}';
    const [first, second] = [text.slice(0, 7), text.slice(7)];
    for (const [left, right] of [
      [first, second],
      ['\ud83d', '\ude00'],
      ['{}\ud83d', '\ude00{}'],
    ] as const) {
      const rows = [
        [1, 'a', '1-aa', left.length],
        [1, 'b', '1-aa', right.length],
        [1, `c${left.length}`, '1-aa', 2],
      ];
      const reply = await batchTo(served.raw, `${JSON.stringify(rows)}\n${left}${right}{}`);
      assert.deepEqual(entriesOf(reply), ['LiteCore/5', 'LiteCore/5'], `${left}|${right}`);
    }
    assert.equal(await served.peer.metrics.count(), 3);
    await assertSound(served);
  });

  it('may name a document by half a character, and not for long', async (context) => {
    const served = await serveCollections(context);
    const reply = await batchTo(served.raw, '[[1,"\\ud83d","1-aa",2],[1,"\\ud83d\\ude00","1-aa",2]]\n{}{}');
    assert.deepEqual(entriesOf(reply), ['LiteCore/29']);
    assert.ok(await served.peer.metrics.get('😀'));
  });

  it('needs a collection, and the right to push', async (context) => {
    const { raw, listener } = await serveRaw(context);
    assert.notEqual((await batchTo(raw, [{}])).error, undefined);
    await getCollections(raw);
    for (const collection of ['7', '-1', 'x', '']) {
      assert.equal((await batchTo(raw, [{}], { collection })).error, 'HTTP/400', collection);
    }
    await listener.closeAll();
    const readOnly = await serveCollections(context, { readOnly: true });
    for (const body of [batchOf([{}]), 'rubbish']) {
      assert.equal((await batchTo(readOnly.raw, body)).error, 'HTTP/403');
    }
    assert.equal(await readOnly.peer.metrics.count(), 0);
    await assertSound(readOnly);
  });

  it('needs no answer if it wants none, whatever is wrong with it', async (context) => {
    const served = await serveCollections(context);
    for (const body of ['rubbish', batchOf([{ id: '' }, { id: 'good' }])]) {
      served.raw.notify({ Profile: 'hawserRevs', collection: '0' }, body);
    }
    await whenChanged(served.peer.metrics, async () => (await served.peer.metrics.count()) === 1);
    await assertSound(served);
  });

  it('may bring blobs, which are asked for before it is answered', async (context) => {
    const served = await serveCollections(context);
    const { raw, peer } = served;
    const body = `{"a":{"@type":"blob","digest":"${HELLO}","length":22}}`;
    const answered = batchTo(raw, [{ id: 'plain' }, { id: 'with', body }]);
    const request = await raw.next('getAttachment');
    assert.equal(request.properties['digest'], HELLO);
    assert.equal(await peer.metrics.get('with'), undefined);
    raw.reply(request, 'Hello, Couchbase blob!');
    assert.deepEqual([(await answered).error, (await answered).text], [undefined, '']);
    assert.equal((await peer.metrics.get('with'))?.toJSONText(), body);
    // One that the peer does not have costs its document.
    const missing = batchTo(raw, [{ id: 'without', body: body.replace('qcgX', 'qcgY') }, { id: 'other' }]);
    raw.refuse(await raw.next('getAttachment'), 'HTTP/404');
    assert.deepEqual(entriesOf(await missing), ['HTTP/404']);
    assert.equal(await peer.metrics.count(), 3);
    await assertSound(served);
  });

  it('is asked for in whole where a delta in it cannot be used', async (context) => {
    const served = await serveCollections(context); // it takes no deltas
    const { raw, peer, problems } = served;
    await batchTo(raw, [{ rev: A1 }]);
    const reply = await batchTo(raw, [
      { rev: A2, history: A1, deltaSrc: A1, body: '{"n":2}' },
      { id: 'e', rev: A2, history: A1, deltaSrc: A1, body: 'no delta' },
      { id: 'f' },
    ]);
    assert.deepEqual(entriesOf(reply), ['HTTP/422', 'HTTP/422']);
    assert.deepEqual(problems, []);
    const whole = await raw.request({ Profile: 'rev', collection: '0', id: 'd', rev: A2, history: A1 }, '{"n":2}');
    assert.equal(whole.error, undefined);
    assert.equal((await peer.metrics.get('d'))?.revisionID, A2);
    await assertSound(served);
  });

  it('need not be waited for', async (context) => {
    const served = await serveCollections(context);
    const replies = Array.from({ length: 1_200 }, (_, index) =>
      batchTo(served.raw, index % 3 === 0 ? 'rubbish' : [{ id: `d${index}` }, { id: `d${index % 100}`, rev: '' }]),
    );
    for (const [index, reply] of (await Promise.all(replies)).entries()) {
      assert.equal(reply.error, index % 3 === 0 ? 'BLIP/400' : undefined);
      if (index % 3 > 0) assert.deepEqual(entriesOf(reply), [0, 'LiteCore/4']);
    }
    assert.equal(await served.peer.metrics.count(), 800);
    await assertSound(served);
  });

  it('holds up nobody else, and leaves nothing behind, where its sender leaves', async (context) => {
    const served = await serveCollections(context);
    const body = `{"a":{"@type":"blob","digest":"${HELLO}","length":22}}`;
    void batchTo(served.raw, [{ id: 'plain' }, { id: 'with', body }]);
    await served.raw.next('getAttachment');
    await served.raw.leave();
    const other = await connectRaw(context, served.listener);
    await getCollections(other);
    assert.equal((await batchTo(other, [{ id: 'another' }])).error, undefined);
    assert.equal(await served.peer.metrics.get('with'), undefined);
    await assertSound({ peer: served.peer, raw: other });
  });

  it('is not sent to a peer that has not said that it takes them, nor is anything said of them', async (context) => {
    const { raw, peer } = await serveCollections(context);
    assert.equal((await proposed(raw)).properties['hawserRevs'], undefined);
    for (const value of ['', '0', 'no']) {
      assert.equal((await proposed(raw, { hawserRevs: value })).properties['hawserRevs'], undefined, value);
    }
    for (const value of ['1', 'true']) {
      assert.equal((await proposed(raw, { hawserRevs: value })).properties['hawserRevs'], '1', value);
    }
    const list = { Profile: 'changes', collection: '0' };
    assert.equal((await raw.request(list, '[[1,"x","1-aa"]]')).properties['hawserRevs'], undefined);
    assert.equal((await raw.request({ ...list, hawserRevs: '1' }, '[[1,"x","1-aa"]]')).properties['hawserRevs'], '1');
    for (const id of ['a', 'b', 'c']) await peer.metrics.save(id, {});
    await raw.request({ Profile: 'subChanges', collection: '0', continuous: 'true' });
    raw.reply(await raw.next('changes'), '[[],[],[]]', { blobs: 'true' });
    for (let count = 0; count < 3; count++) raw.reply(await raw.next('rev'));
    assert.equal((await raw.next('changes')).text, '[]');
    await peer.metrics.save('d', {});
    assert.match((await raw.next('changes')).text, /"d"/);
    assert.equal(raw.requests.filter(({ profile }) => profile === 'hawserRevs').length, 0);
  });

  it(`costs an answer and nothing else after any damage, seed ${SEED}`, async (context) => {
    const mutator = new Mutator(seededRandom(SEED + 11));
    const served = await serveRaw(context);
    const answers = new Map<string, number>();
    let raw = served.raw;
    for (let done = 0; done < 1_500; done += 250) {
      if (done > 0) raw = await connectRaw(context, served.listener);
      await getCollections(raw);
      const replies = Array.from({ length: 250 }, (_, index) => {
        const number = done + index;
        const revisions = Array.from({ length: 1 + mutator.below(4) }, (_, at) => ({
          id: `d${(number * 3 + at) % 997}`,
          rev: `${1 + (number % 4)}-${'abcdef'.charAt(number % 6).repeat(2)}`,
          history: number % 4 === 0 ? '' : `${number % 4}-aa`,
          body: `{"n":${number},"text":"é😀","list":[1.0,{"a":null}]}`,
          ...(number % 7 === 0 ? { deltaSrc: '1-aa' } : {}),
        }));
        const body = Buffer.from(batchOf(revisions));
        const message = mutator.message({ properties: { collection: '0' }, body });
        // The mutator takes bytes for characters.
        const damaged = typeof message.body === 'string' ? Buffer.from(message.body, 'latin1') : message.body;
        return raw.request({ ...message.properties, Profile: 'hawserRevs' }, damaged);
      });
      for (const reply of await Promise.allSettled(replies)) {
        assert.equal(reply.status, 'fulfilled', `seed ${SEED + 11}: ${raw.isOver ? 'it ended' : 'no answer'}`);
        const { error } = reply.value;
        for (const entry of error === undefined ? ['success', ...entriesOf(reply.value)] : [error]) {
          const text = String(entry);
          answers.set(text, (answers.get(text) ?? 0) + 1);
          assert.match(text, /^(?:success|0|304|(?:HTTP|BLIP|LiteCore)\/\d+)$/);
          assert.ok(!['BLIP/501', 'HTTP/503'].includes(text), `seed ${SEED + 11}: ${text} ${reply.value.text}`);
        }
      }
      await raw.leave();
    }
    context.diagnostic([...answers].map(([answer, count]) => `${answer} ${count}`).join(', '));
    assert.deepEqual(served.errors, []);
    assert.deepEqual(await served.peer.database.integrityCheck(), []);
    assert.equal((await contents(served.peer.metrics)).length, await served.peer.metrics.count());
  });
});

describe('the answer of an active peer to a batch of ours', LIMIT, () => {
  interface Fed extends Served {
    /** What the listener told of the documents that it sent. */
    readonly told: () => string[];
  }

  /** A feed whose first list was wanted whole: what is saved from now on is sent without being announced. */
  async function trusted(context: TestContext): Promise<Fed> {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('first', {});
    const served = await serveCollections(context, { peer });
    const { raw, problems } = served;
    await raw.request({ Profile: 'subChanges', collection: '0', continuous: 'true', hawserRevs: '1' });
    raw.reply(await raw.next('changes'), '[[]]', { blobs: 'true', maxHistory: '50' });
    const first = await raw.next('hawserRevs');
    assert.deepEqual(idsOf(first), ['first']);
    raw.reply(first);
    assert.equal((await raw.next('changes')).text, '[]');
    const told = (): string[] => problems.map(({ documentID, error }) => `${documentID} ${error.code} ${error.number}`);
    return { ...served, told };
  }

  /** Saves documents in one commit, and waits for the batch of them. */
  async function batchFrom({ peer, raw }: Fed, ids: readonly string[]): Promise<RawRequest> {
    await peer.database.inBatch(async (batch) => {
      for (const id of ids) await batch.collection(peer.metrics.name).save(id, {});
    });
    const request = await raw.next('hawserRevs');
    assert.deepEqual(idsOf(request), ids);
    return request;
  }

  it('tells what became of each document, for the one it belongs to', async (context) => {
    const fed = await trusted(context);
    const refusals = ['["HTTP",403,"no"]', '["HTTP",503]', '["LiteCore",31]', '["X",-1,""]', '["HTTP",409,"","3-aa"]'];
    fed.raw.reply(await batchFrom(fed, ['a', 'b', 'c', 'd', 'e', 'f', 'g']), `[0,${refusals.join(',')},304]`);
    // It could not use what it took for a delta.
    const whole = await fed.raw.next('rev');
    assert.deepEqual([whole.properties['id'], whole.properties['deltaSrc']], ['d', undefined]);
    fed.raw.refuse(whole, 'HTTP/422');
    await settled(fed.raw);
    assert.deepEqual(fed.told().sort(), [
      'b ACCESS_DENIED 10403',
      'c CONNECTION_UNAVAILABLE 10503',
      'd REPLICATION_REMOTE_ERROR 10422',
      'e REPLICATION_REMOTE_ERROR 26',
      'f REPLICATION_REMOTE_ERROR 10409',
    ]);
    assert.deepEqual(fed.errors, []);
  });

  it('counts for each document where it is an error', async (context) => {
    const fed = await trusted(context);
    fed.raw.refuse(await batchFrom(fed, ['a', 'b']), 'HTTP/403');
    await settled(fed.raw);
    assert.deepEqual(fed.told().sort(), ['a ACCESS_DENIED 10403', 'b ACCESS_DENIED 10403']);
  });

  it('makes the next three lists be announced where something was not needed', async (context) => {
    for (const answer of ['[304]', '[0,["HTTP",403,""]]']) {
      const fed = await trusted(context);
      const { raw, peer } = fed;
      raw.reply(await batchFrom(fed, ['a', 'b']), answer);
      await settled(raw);
      for (const id of ['c', 'd', 'e']) {
        await peer.metrics.save(id, {});
        const list = await raw.next('changes');
        assert.match(list.text, new RegExp(`"${id}"`));
        raw.reply(list, '[[]]', { blobs: 'true' });
        const asked = await raw.next('hawserRevs');
        assert.deepEqual(idsOf(asked), [id]);
        raw.reply(asked);
        await settled(raw);
      }
      raw.reply(await batchFrom(fed, ['f']));
    }
  });

  for (const answer of [
    '[[',
    'null',
    '{}',
    '"x"',
    '[200]',
    '[[]]',
    '[["HTTP","403"]]',
    '[["HTTP",409,"",7]]',
    '[{}]',
  ]) {
    it(`is reported, and the feed goes on, where it is ${answer}`, async (context) => {
      const fed = await trusted(context);
      const { raw, peer, errors } = fed;
      raw.reply(await batchFrom(fed, ['a', 'b']), answer);
      await settled(raw);
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['REPLICATION_PROTOCOL_ERROR'],
      );
      assert.deepEqual(fed.told(), []);
      await peer.metrics.save('c', {});
      const next = await Promise.race([raw.next('hawserRevs'), raw.next('changes')]);
      assert.match(next.text, /"c"/);
      await assertSound(fed);
    });
  }

  it('may say more than was asked', async (context) => {
    const fed = await trusted(context);
    const answer = `[0,0,${'["HTTP",403,""],'.repeat(50)}"x"]`;
    fed.raw.reply(await batchFrom(fed, ['a', 'b']), answer);
    await settled(fed.raw);
    assert.deepEqual([fed.told(), fed.errors], [[], []]);
    fed.raw.reply(await batchFrom(fed, ['c']));
  });

  it('that never comes holds up a bounded number of documents', async (context) => {
    const fed = await trusted(context);
    const { raw, peer } = fed;
    const ids = Array.from({ length: 3_000 }, (_, index) => `d${index}`);
    await Promise.all(ids.map((id) => peer.metrics.save(id, {})));
    await settled(raw);
    await settled(raw);
    const sent = raw.requests.filter(({ profile }) => profile === 'hawserRevs').flatMap(idsOf);
    assert.ok(sent.length > 200 && sent.length <= 401, `${sent.length} were sent`);
    assert.equal(new Set(sent).size, sent.length);
    await assertSound(fed);
  });
});
