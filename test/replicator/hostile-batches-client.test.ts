/** Passive peers that send batches of revisions which are strange, wrong or malicious, or answer ours so, against our session. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { seededRandom, type HawserError, type ReplicatorOptions } from '../../src/index.js';
import { againstRaw, collectionOf, revisionID, savedCheckpoint, storeOf, type RawServer } from '../support/hostile.js';
import { Mutator } from '../support/mutate.js';
import { contents, openPeer } from '../support/peers.js';
import { batchOf, batchTo, entriesOf, idsOf, NO_BATCHES, type RawRevision } from '../support/raw-batch.js';
import type { RawBlipPeer, RawHandler } from '../support/raw-blip-peer.js';
import { announceTo, endOfFeed, pullFromRaw, revTo, told, type RawPull } from '../support/raw-pull.js';
import { skipWaits } from '../support/retry-clock.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const SEED = Number(process.env['HAWSER_FUZZ_SEED'] ?? 20_260_101);
const [A1, A2, A3] = [revisionID(1), revisionID(2), revisionID(3)];
const [B1, B2] = [revisionID(1, 'b'), revisionID(2, 'b')];

const pull = (
  context: TestContext,
  feed: (raw: RawBlipPeer) => Promise<void> | void,
  options: Parameters<typeof pullFromRaw>[2] = {},
): Promise<RawPull> => pullFromRaw(context, feed, { batches: true, ...options });

/** `code number` of what a session or replicator ended with. */
const codeOf = (error: HawserError | undefined): string | undefined => error && `${error.code} ${error.number}`;

function count(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Progress is complete: whatever was found was finished. */
function assertAllHandled({ session }: RawPull): void {
  assert.equal(session.progress.completed, session.progress.total);
}

describe('a batch from a passive peer', LIMIT, () => {
  it('that nobody has asked for is stored, told of and passed by the checkpoint', async (context) => {
    const bodies = ['{"b":[1.0,9007199254740993]}', '{"é":"😀"}'] as const;
    const pulled = await pull(context, async (raw) => {
      const subscription = raw.requests.find(({ profile }) => profile === 'subChanges');
      assert.equal(subscription?.properties['hawserRevs'], '1');
      const reply = await batchTo(raw, [
        { sequence: 5, id: 'a', rev: A2, history: A1, body: bodies[0] },
        { sequence: 9, id: 'b', body: bodies[1] },
        { sequence: 12, id: 'c', deleted: 1, body: '{}' },
      ]);
      assert.deepEqual([reply.error, reply.text], [undefined, '']);
      endOfFeed(raw);
    });
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(await contents(pulled.peer.metrics), [`a ${A2} ${bodies[0]}`, `b 1-aa ${bodies[1]}`]);
    assert.deepEqual(told(pulled.outcomes), ['a', 'b', 'c deleted']);
    assert.deepEqual(pulled.session.progress, { completed: 3, total: 3 });
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 12 });
  });

  for (const body of NO_BATCHES.filter((_, index) => index % 3 === 0)) {
    it(`ends the session where it cannot be read: ${JSON.stringify(String(body).slice(0, 30))}`, async (context) => {
      const { peer, raw, ended } = await pull(context, async (raw) => {
        await batchTo(raw, [{ sequence: 3, id: 'good' }]);
        // The connection may end before its answer has gone out.
        const reply = await batchTo(raw, body).catch(() => undefined);
        if (reply !== undefined) assert.equal(reply.error, 'BLIP/400');
        void batchTo(raw, [{ sequence: 9, id: 'late' }]);
        endOfFeed(raw);
      });
      assert.equal(codeOf(await ended), 'REPLICATION_PROTOCOL_ERROR 26');
      assert.equal((await raw.ended)?.closeCode, 4002);
      assert.equal(await peer.metrics.count(), 1);
      assert.ok([undefined, 3].includes(savedCheckpoint(raw)?.['remote'] as undefined));
    });
  }

  it('loses what can never be stored, and nothing else', async (context) => {
    const bad: RawRevision[] = [{ id: '_x' }, { rev: '1-x' }, { rev: A3, history: A1 }, { body: '[]' }, { body: '' }];
    const pulled = await pull(context, async (raw) => {
      for (const revision of bad) {
        const index = bad.indexOf(revision) * 10;
        const reply = await batchTo(raw, [
          { sequence: index + 1, id: `a${index}` },
          { sequence: index + 2, ...revision },
          { sequence: index + 3, id: `b${index}` },
        ]);
        assert.match(entriesOf(reply).join(' '), /^0 LiteCore\/\d+$/);
      }
      endOfFeed(raw);
    });
    assert.equal(await pulled.ended, undefined);
    assert.equal(await pulled.peer.metrics.count(), 2 * bad.length);
    assert.equal(pulled.outcomes.filter(({ error }) => error !== undefined).length, bad.length);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 43 });
    assertAllHandled(pulled);
  });

  it('is not passed where something in it can only be stored later', async (context) => {
    const pulled = await pull(
      context,
      async (raw) => {
        assert.deepEqual(
          entriesOf(
            await batchTo(
              raw,
              ['a', 'no', 'c'].map((id) => ({ id })),
            ),
          ),
          [0, 'HTTP/403'],
        );
        const reply = await batchTo(
          raw,
          ['d', 'fails', 'e'].map((id, index) => ({ id, sequence: index + 4 })),
        );
        assert.deepEqual(entriesOf(reply).length, 2);
        await batchTo(raw, [{ sequence: 7, id: 'f' }]);
        endOfFeed(raw);
      },
      {
        rules: {
          pullFilter: ({ id }) => {
            if (id === 'fails') throw new Error('oops');
            return id !== 'no';
          },
        },
      },
    );
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(told(pulled.outcomes), ['a', 'c', 'd', 'e', 'f', 'fails FILTER_FAILED']);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 4 });
    assertAllHandled(pulled);
  });

  it('is refused, and passed, as far as it is about documents that are not to be replicated', async (context) => {
    const pulled = await pull(
      context,
      async (raw) => {
        const reply = await batchTo(
          raw,
          ['x', 'a', 'y', '_z', 'z'].map((id) => ({ id })),
        );
        assert.deepEqual(entriesOf(reply), ['HTTP/403', 0, 'HTTP/403', 'HTTP/403', 'HTTP/403']);
        endOfFeed(raw);
      },
      { rules: { documentIDs: new Set(['a']) } },
    );
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(await contents(pulled.peer.metrics), ['a 1-aa {"n":1}']);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 5 });
    assertAllHandled(pulled);
  });

  it('may hold what was asked for, in any order and beside other messages', async (context) => {
    const pulled = await pull(context, async (raw) => {
      await announceTo(
        raw,
        count(1, 6).map((sequence) => [sequence, `d${sequence}`, '1-aa']),
      );
      const reply = await batchTo(raw, [
        { sequence: 6, id: 'd6' },
        { sequence: 2, id: 'd2' },
      ]);
      assert.deepEqual([reply.error, reply.text], [undefined, '']);
      assert.equal((await revTo(raw, { id: 'd3', rev: '1-aa', sequence: '3' })).error, undefined);
      raw.notify({ Profile: 'norev', collection: '0', id: 'd4', rev: '1-aa', sequence: '4', error: '404' });
      endOfFeed(raw);
      // One that confuses sequences: the document counts.
      assert.equal((await batchTo(raw, [{ sequence: 77, id: 'd5' }])).error, undefined);
      assert.equal((await batchTo(raw, [{ sequence: 1, id: 'd1' }])).error, undefined);
    });
    assert.equal(await pulled.ended, undefined);
    assert.equal(await pulled.peer.metrics.count(), 5);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 6 });
    assertAllHandled(pulled);
  });

  it('is what a list of changes may wait for', async (context) => {
    // With more than 800 revisions outstanding the answer to a list waits for some of them to come: in batches too.
    const lists = 8;
    const pulled = await pull(context, async (raw) => {
      const answers = count(1, lists).map((list) => {
        const first = list * 200 - 199;
        return announceTo(
          raw,
          count(first, list * 200).map((sequence) => [sequence, `d${sequence}`, '1-aa']),
        ).then(({ text }) => assert.equal((JSON.parse(text) as unknown[]).length, 200));
      });
      await Promise.all(answers.slice(0, 3));
      for (let first = 1; first <= lists * 200; first += 100) {
        const revisions = count(first, first + 99).map((sequence) => ({ sequence, id: `d${sequence}`, body: '{}' }));
        assert.equal((await batchTo(raw, revisions)).text, '');
      }
      await Promise.all(answers);
      endOfFeed(raw);
    });
    assert.equal(codeOf(await pulled.ended), undefined);
    assert.equal(await pulled.peer.metrics.count(), lists * 200);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: lists * 200 });
    assertAllHandled(pulled);
  });

  it('and another one, and another one, may not pile up behind a list that waits', async (context) => {
    const body = `{"a":"${'x'.repeat(13_000)}"}`;
    for (const [revisions, most] of [
      [count(1, 100).map((index) => ({ id: `d${index}`, body: '{}' })), 200],
      [[{ body }], 1_000],
    ] as const) {
      let unanswered = 0;
      const pulled = await pull(
        context,
        async (raw) => {
          for (let list = 0; list < 5; list++) {
            await announceTo(
              raw,
              count(1, 200).map((index) => [list * 200 + index, `a${index}`, '1-aa']),
            );
          }
          void announceTo(raw, [[5_000, 'late', '1-aa']]); // it waits for those, which never come
          for (let round = 0; round < 100 && !raw.isOver; round++) {
            for (let each = 0; each < 100; each++) {
              unanswered++;
              batchTo(raw, revisions).catch(() => undefined);
            }
            await raw.request({ Profile: 'isAnybodyThere' }).catch(() => undefined);
          }
        },
        { peer: await openPeer(context, `ours ${most}`) },
      );
      assert.equal(codeOf(await pulled.ended), 'REPLICATION_PROTOCOL_ERROR 26');
      assert.ok(unanswered <= most, `${unanswered} batches were taken in`);
      assert.equal(savedCheckpoint(pulled.raw), undefined);
    }
  });

  it('that wants no answer may have a delta that is of no use', async (context) => {
    const pulled = await pull(context, (raw) => {
      const revisions = [{ rev: A2, history: A1, deltaSrc: A1, body: '{}' }, { id: 'e' }];
      raw.notify({ Profile: 'hawserRevs', collection: '0' }, batchOf(revisions));
      endOfFeed(raw);
    });
    assert.equal(codeOf(await pulled.ended), undefined);
    assert.equal(await pulled.peer.metrics.count(), 1);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 2 });
    assertAllHandled(pulled);
  });

  it('is asked for in whole where its delta is of no use, and not for ever', async (context) => {
    for (const again of ['rev', 'batch'] as const) {
      const pulled = await pull(
        context,
        async (raw) => {
          await announceTo(raw, [[1, 'd', A2]]);
          const revision = { sequence: 1, rev: A2, history: A1, deltaSrc: A3, body: '{}' };
          assert.deepEqual(entriesOf(await batchTo(raw, [revision])), ['HTTP/422']);
          endOfFeed(raw);
          if (again === 'batch') assert.notDeepEqual(entriesOf(await batchTo(raw, [revision])), []);
          else assert.equal((await revTo(raw, { rev: A2, history: A1 }, '{"whole":true}')).error, undefined);
        },
        { peer: await openPeer(context, again) },
      );
      assert.equal(await pulled.ended, undefined);
      assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 1 });
      assert.equal(pulled.outcomes.filter(({ error }) => error === undefined).length, again === 'rev' ? 1 : 0);
      assertAllHandled(pulled);
    }
  });

  it('may be about one document again and again, and have one sequence for all', async (context) => {
    const pulled = await pull(context, async (raw) => {
      const reply = await batchTo(raw, [
        { sequence: 7, rev: A1 },
        { sequence: 7, rev: A2, history: A1, body: '{"n":2}' },
        { sequence: 7, rev: A1 },
        { sequence: 7, rev: B2, history: B1 },
      ]);
      assert.deepEqual(entriesOf(reply), [0, 0, 304]);
      endOfFeed(raw);
    });
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 7 });
    assert.equal((await pulled.peer.metrics.get('d'))?.revisionID, B2, 'the remote follows another branch now');
    assertAllHandled(pulled);
  });

  it('with what is here already is no transfer: the application hears of nothing', async (context) => {
    const peer = await openPeer(context, 'ours');
    await storeOf(peer.metrics).insert(
      { id: 'd', revisionID: A2, history: [A1], deleted: false, body: '{"n":1}', hasBlobs: false },
      {},
    );
    const pulled = await pull(
      context,
      async (raw) => {
        for (const known of [A2, A1]) {
          assert.deepEqual(entriesOf(await batchTo(raw, [{ rev: known }, { id: known }])), [304]);
        }
        endOfFeed(raw);
      },
      { peer },
    );
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(told(pulled.outcomes), [A1, A2]);
    assertAllHandled(pulled);
  });

  it('may settle what could not be pushed: the remote has an ancestor of it now', async (context) => {
    for (const how of ['changes', 'batch'] as const) {
      const peer = await openPeer(context, how);
      const first = await peer.metrics.save('d', { n: 1 });
      await peer.metrics.save('d', { n: 2 });
      const refused = deferred();
      const proposals: string[] = [];
      const server = await againstRaw(
        context,
        {
          subChanges: async (request, raw) => {
            raw.reply(request);
            await refused.promise;
            await raw.request({ Profile: 'isAnybodyThere' }); // so it has read the answer to its proposal
            if (how === 'changes') await announceTo(raw, [[9, 'd', first.revisionID]]);
            else await batchTo(raw, [{ sequence: 9, rev: first.revisionID }]);
            endOfFeed(raw);
          },
          proposeChanges: (request, raw) => {
            const [[, , parent] = []] = JSON.parse(request.text) as string[][];
            proposals.push(parent ?? '');
            raw.reply(request, proposals.length === 1 ? `[{"status":409,"rev":"${B1}"}]` : '[]');
            refused.resolve();
          },
        },
        { peer },
      );
      assert.equal(await run(server), undefined, how);
      assert.deepEqual(proposals, ['', first.revisionID], how);
      assert.deepEqual(server.problems, [], how);
      assert.equal(server.raws[0]?.requests.filter(({ profile }) => profile === 'rev').length, 1, how);
    }
  });

  it('takes away what access was lost to', async (context) => {
    const peer = await openPeer(context, 'ours');
    for (const id of ['a', 'b']) await peer.metrics.save(id, {});
    const pulled = await pull(
      context,
      async (raw) => {
        assert.equal((await batchTo(raw, [{ id: 'a', rev: B2, body: '{"_removed":true}' }, { id: 'c' }])).text, '');
        endOfFeed(raw);
      },
      { peer },
    );
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(told(pulled.outcomes), ['a accessRemoved', 'c']);
    assert.deepEqual((await contents(peer.metrics)).map((line) => line.slice(0, 1)).join(''), 'bc');
  });

  it('is taken also where we have not said so, and refused where we do not pull', async (context) => {
    const pulled = await pull(
      context,
      async (raw) => {
        const subscription = raw.requests.find(({ profile }) => profile === 'subChanges');
        assert.equal(subscription?.properties['hawserRevs'], undefined);
        const list = { Profile: 'changes', collection: '0', hawserRevs: '1' };
        assert.equal((await raw.request(list, '[[1,"x","1-aa"]]')).properties['hawserRevs'], undefined);
        assert.equal((await batchTo(raw, [{ id: 'x' }])).text, '');
        endOfFeed(raw);
      },
      { batches: false },
    );
    assert.equal(await pulled.ended, undefined);
    assert.deepEqual(savedCheckpoint(pulled.raw), { remote: 1 });
    const error = deferred<string | undefined>();
    const server = await againstRaw(
      context,
      {
        proposeChanges: async (request, raw) => {
          error.resolve((await raw.request({ Profile: 'hawserRevs', ...collectionOf(request) }, batchOf([{}]))).error);
          raw.reply(request, '[304]');
        },
      },
      { type: 'push' },
    );
    await server.peer.metrics.save('d', {});
    assert.equal(await run(server), undefined);
    assert.equal(await error.promise, 'HTTP/403');
  });

  it('is not half there where the peer leaves: what is not acknowledged comes again', async (context) => {
    const pulled = await pull(context, async (raw) => {
      await batchTo(raw, [{ sequence: 1, id: 'a' }]);
      void batchTo(
        raw,
        [{ id: 'b' }, { id: 'c' }].map((one, index) => ({ ...one, sequence: index + 2 })),
      );
      endOfFeed(raw);
      await Promise.resolve();
      await raw.leave();
    });
    assert.equal(codeOf(await pulled.ended), 'CONNECTION_CLOSED_BY_PEER 11001');
    assert.ok([1, 3].includes(await pulled.peer.metrics.count()));
    assert.equal(savedCheckpoint(pulled.raw), undefined);
    assert.deepEqual(await pulled.peer.database.integrityCheck(), []);
  });

  it(`costs a document, or the connection, after any damage, seed ${SEED}`, async (context) => {
    const mutator = new Mutator(seededRandom(SEED + 12));
    const peer = await openPeer(context, 'ours');
    const endings = new Map<string, number>();
    const damaged = (revision: RawRevision): RawRevision => {
      const [field, ...texts] = mutator.pick(DAMAGES);
      return { ...revision, [field]: mutator.pick(texts) };
    };
    for (let session = 0; session < 60; session++) {
      const server = await againstRaw(
        context,
        {
          subChanges: async (request, raw) => {
            raw.reply(request);
            const number = session * 10;
            const list = count(number, number + 9).map((sequence) => [sequence, `d${sequence}`, '1-aa']);
            if (mutator.below(2) === 0) await announceTo(raw, list).catch(() => undefined);
            const revisions = count(number, number + 9).map((sequence) => ({ sequence, id: `d${sequence}` }));
            const body = session % 2 === 0 ? batchOf(revisions.map(damaged)) : mutator.body(batchOf(revisions));
            await batchTo(raw, body).catch(() => undefined);
            if (!raw.isOver) endOfFeed(raw);
            await raw.request({ Profile: 'isAnybodyThere' }).catch(() => undefined);
            await raw.leave();
          },
        },
        { peer, type: 'pull' },
      );
      const code = (await run(server)) ?? 'success';
      const where = `seed ${SEED + 12}, session ${session}`;
      endings.set(code, (endings.get(code) ?? 0) + 1);
      assert.match(code, /^(?:success|REPLICATION_PROTOCOL_ERROR 26|CONNECTION_CLOSED_BY_PEER 11001)$/, where);
    }
    context.diagnostic([...endings].map(([code, times]) => `${code} ${times}`).join(', '));
    assert.deepEqual(await peer.database.integrityCheck(), []);
    assert.equal((await contents(peer.metrics)).length, await peer.metrics.count());
  });
});

/** A field of a revision, and what may be in it. */
const DAMAGES: readonly (readonly [keyof RawRevision, ...unknown[]])[] = [
  ['id', '', '_x', 'a\u0000', '\ud800', 'd1', 'x'.repeat(300), '__proto__', "' OR 1=1 --"],
  ['rev', '', '1', '2-bb', '0-aa', '4294967296-aa', '1-xyz', '1-aa'],
  ['body', '', '{}', '[]', '{"a":1,"a":2}', '{"_removed":true}', '\ufeff{}', '{"a":1e400}', '{"@type":"blob"}'],
  ['history', '', '1-aa', '2-bb,1-aa', ',', '5-aa', '__proto__'],
  ['deltaSrc', '', '1-aa', '2-bb', 'x'],
  ['deleted', 0, 1],
  ['sequence', 1, 7, 2 ** 53 - 1],
];

async function run({ replicator }: RawServer): Promise<string | undefined> {
  replicator.start();
  return codeOf(await replicator.stopped());
}

describe('the answer of a passive peer to a batch of ours', LIMIT, () => {
  const IDS = ['a', 'b', 'c', 'd', 'e'];

  /** A replicator that pushes {@link IDS} to a peer that takes batches, wants all, and answers them so. */
  async function pushing(
    context: TestContext,
    hawserRevs: RawHandler,
    handlers: Readonly<Record<string, RawHandler>> = {},
    options: Partial<ReplicatorOptions> = {},
  ): Promise<RawServer> {
    const server = await againstRaw(
      context,
      {
        proposeChanges: (request, raw) =>
          raw.reply(request, '[]', { hawserRevs: '1', blobs: 'true', maxHistory: '50' }),
        hawserRevs,
        ...handlers,
      },
      { type: 'push', ...options },
    );
    for (const id of IDS) await server.peer.metrics.save(id, { id });
    return server;
  }

  const proposals = ({ raws }: RawServer, index = 0): string[] =>
    raws[index]?.requests
      .filter(({ profile }) => profile === 'proposeChanges')
      .map(({ text }) => (JSON.parse(text) as string[][]).map(([id]) => id).join(' ')) ?? [];
  const batches = ({ raws }: RawServer, index = 0): string[] =>
    raws[index]?.requests.filter(({ profile }) => profile === 'hawserRevs').map((one) => idsOf(one).join(' ')) ?? [];
  const problems = (server: RawServer): string[] =>
    server.problems.map(({ documentID, error }) => `${documentID} ${error.number}`).sort();

  it('is nothing where all is well', async (context) => {
    for (const answer of ['', '[]', '[0,0,0,0,0]', '[0,0,0,0,0,304,["HTTP",403,""]]']) {
      const server = await pushing(context, (request, raw) => raw.reply(request, answer));
      assert.equal(await run(server), undefined, answer);
      assert.deepEqual([proposals(server), batches(server)], [['a b c d e'], ['a b c d e']], answer);
      assert.deepEqual([problems(server), savedCheckpoint(server.raws[0])], [[], { local: 5 }], answer);
    }
  });

  for (const answer of [
    '[[',
    'null',
    '{}',
    '"x"',
    '5',
    '[200]',
    '[[]]',
    '[["HTTP"]]',
    '[0,["HTTP",409,"",7]]',
    '[{}]',
  ]) {
    it(`ends the session where it is ${answer}: nobody knows what was stored`, async (context) => {
      const server = await pushing(context, (request, raw) => raw.reply(request, answer));
      assert.equal(await run(server), 'REPLICATION_PROTOCOL_ERROR 26');
      assert.equal((await server.raws[0]?.ended)?.closeCode, 4002);
      assert.deepEqual([problems(server), savedCheckpoint(server.raws[0])], [[], undefined]);
    });
  }

  it('ends the session where it is larger than any answer', async (context) => {
    const server = await pushing(context, (request, raw) => raw.reply(request, `[${'0,'.repeat(3_000_000)}0]`));
    assert.equal(await run(server), 'REPLICATION_PROTOCOL_ERROR 26');
  });

  it('is taken for the document it belongs to', async (context) => {
    const answer = `[0,304,["X",-7,"?"],["LiteCore",8,"no"],["HTTP",400]]`;
    const server = await pushing(context, (request, raw) => raw.reply(request, answer));
    assert.equal(await run(server), undefined);
    assert.deepEqual(problems(server), ['c 26', 'd 10409', 'e 10400']);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 5 });
    assert.deepEqual(batches(server), ['a b c d e']);
  });

  it('may be that all of it is there already', async (context) => {
    let documents = 0;
    const server = await pushing(context, (request, raw) => raw.reply(request, '[304,304,304,304,304]'));
    server.replicator.on('documents', (event) => (documents += event.documents.length));
    assert.equal(await run(server), undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 5 });
    assert.equal(documents, 0, 'what was not transferred is not told of');
    assert.deepEqual(server.replicator.status.progress, { completed: 5, total: 5 });
  });

  it('may be an error, which counts for each document', async (context) => {
    for (const [error, expected, saved] of [
      ['HTTP/400', undefined, { local: 5 }],
      ['BLIP/404', undefined, { local: 5 }],
      ['HTTP/503', 'CONNECTION_UNAVAILABLE 10503', undefined],
    ] as const) {
      const server = await pushing(context, (request, raw) => raw.refuse(request, error));
      assert.equal(await run(server), expected, error);
      assert.equal(problems(server).length, expected === undefined ? 5 : 0, error);
      assert.deepEqual(savedCheckpoint(server.raws[0]), saved, error);
    }
  });

  it('that something cannot be taken now leaves it to the next session', async (context) => {
    const clock = new VirtualClock();
    let busy = true;
    const server = await pushing(
      context,
      (request, raw) => {
        raw.reply(request, busy ? '[0,0,["HTTP",503,"busy"]]' : '');
        busy = false;
      },
      {},
      { clock, maxAttempts: 3 },
    );
    skipWaits(server.replicator, clock);
    assert.equal(await run(server), undefined);
    assert.deepEqual(batches(server, 0), ['a b c d e']);
    assert.match(batches(server, 1).join(' '), /c/);
    assert.deepEqual(savedCheckpoint(server.raws[1]), { local: 5 });
  });

  it('that something is forbidden is proposed once more, and then given up', async (context) => {
    const server = await pushing(context, (request, raw) => {
      const answers = idsOf(request).map((id) => (id === 'b' ? ['HTTP', 403, 'no'] : 0));
      raw.reply(request, JSON.stringify(answers));
    });
    assert.equal(await run(server), undefined);
    assert.deepEqual(proposals(server), ['a b c d e', 'b']);
    assert.deepEqual(batches(server), ['a b c d e', 'b']);
    assert.deepEqual(problems(server), ['b 10403']);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 5 });
  });

  it('that something conflicts is not answered for ever, whatever the peer says of it', async (context) => {
    for (const current of ['', `,"${B1}"`, ',""']) {
      for (const proposal of ['[]', `[{"status":409,"rev":"${B2}"}]`, '[{"status":409,"rev":""}]']) {
        let asked = 0;
        const server = await pushing(
          context,
          (request, raw) => {
            const answers = idsOf(request).map((id) => (id === 'c' ? '["HTTP",409,"conflict"' + current + ']' : '0'));
            raw.reply(request, `[${answers.join(',')}]`);
          },
          {
            proposeChanges: (request, raw) =>
              raw.reply(request, asked++ === 0 ? '[]' : proposal, { hawserRevs: '1', blobs: 'true' }),
          },
        );
        const where = `${current} ${proposal}`;
        assert.equal(await run(server), undefined, where);
        assert.ok(asked <= 4, `${where}: it was proposed ${asked} times`);
        assert.deepEqual(problems(server), ['c 10409'], where);
        assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 5 }, where);
      }
    }
  });

  it('that a delta is of no use brings the whole, once, though it was none', async (context) => {
    for (const second of [undefined, 'HTTP/422', 'HTTP/409'] as const) {
      let revs = 0;
      const server = await pushing(
        context,
        (request, raw) => raw.reply(request, '[0,["HTTP",422,"?"],["LiteCore",32]]'),
        {
          rev: (request, raw) => {
            revs++;
            assert.equal(request.properties['deltaSrc'], undefined);
            if (second === undefined) raw.reply(request);
            else raw.refuse(request, second);
          },
          // After the first time nothing of it is wanted any more.
          proposeChanges: (request, raw) =>
            raw.reply(request, request.text.includes('"a"') ? '[]' : '[409,409]', { hawserRevs: '1', blobs: 'true' }),
        },
      );
      assert.equal(await run(server), undefined);
      assert.equal(revs, 2);
      const number = second === 'HTTP/422' ? 10_422 : 10_409;
      assert.deepEqual(problems(server), second === undefined ? [] : [`b ${number}`, `c ${number}`]);
      assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 5 });
    }
  });

  it('that never comes keeps the replicator busy, and it can be stopped', async (context) => {
    const clock = new VirtualClock();
    const asked = deferred();
    const server = await pushing(context, () => asked.resolve(), {}, { clock });
    server.replicator.start();
    await asked.promise;
    assert.equal(server.replicator.status.activity, 'busy');
    await clock.runUntil(server.replicator.stop(), 10_000);
    assert.deepEqual([server.replicator.status.activity, server.replicator.status.error], ['stopped', undefined]);
    assert.equal(clock.pendingTimers, 0);
  });

  it('does not come where the peer leaves, and nothing is passed', async (context) => {
    const server = await pushing(context, (_request, raw) => raw.leave());
    assert.equal(await run(server), 'CONNECTION_CLOSED_BY_PEER 11001');
    assert.deepEqual([problems(server), savedCheckpoint(server.raws[0])], [[], undefined]);
  });

  it('never comes to a peer that has not said that it takes batches: it gets none', async (context) => {
    for (const value of [undefined, '', '0', 'no']) {
      const server = await pushing(context, (request, raw) => raw.reply(request), {
        proposeChanges: (request, raw) => raw.reply(request, '[]', value === undefined ? {} : { hawserRevs: value }),
      });
      assert.equal(await run(server), undefined);
      assert.deepEqual(batches(server), []);
      const [first] = server.raws[0]?.requests.filter(({ profile }) => profile === 'proposeChanges') ?? [];
      assert.equal(first?.properties['hawserRevs'], '1');
      assert.equal(server.raws[0]?.requests.filter(({ profile }) => profile === 'rev').length, 5);
    }
  });

  it('never comes where batches are switched off, whatever the peer says', async (context) => {
    const server = await pushing(context, (request, raw) => raw.reply(request), {}, { enableRevisionBatches: false });
    assert.equal(await run(server), undefined);
    const requests = server.raws[0]?.requests ?? [];
    assert.ok(requests.every(({ properties }) => properties['hawserRevs'] === undefined));
    assert.deepEqual(batches(server), []);
  });
});
