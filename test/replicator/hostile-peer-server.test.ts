/**
 * Passive peers that are strange, wrong or malicious, against our active session: what a real core does is in ground truth
 * 2, 3.3, 5, 8 and 10. Where a core loses documents or waits for ever, ours keeps them pending.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { MessagingError, type ReplicatorOptions } from '../../src/index.js';
import {
  againstRaw,
  caughtUp,
  collectionOf,
  revisionID,
  savedCheckpoint,
  storeOf,
  type RawServer,
} from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import type { RawBlipPeer, RawHandler, RawReply } from '../support/raw-blip-peer.js';
import { skipWaits } from '../support/retry-clock.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
const A1 = revisionID(1);

/** Starts and waits for the end; resolves to the code of the error, or undefined. */
async function run({ replicator }: RawServer): Promise<string | undefined> {
  replicator.start();
  const error = await replicator.stopped();
  return error === undefined ? undefined : `${error.code} ${error.number}`;
}

/** The code with which our side ended its last connection. */
async function closeCode({ raws }: RawServer): Promise<number | undefined> {
  return (await raws.at(-1)?.ended)?.closeCode;
}

/** A feed that is sent when it is asked for; what it resolves to is looked at by the test. */
function feeding(feed: (peer: RawBlipPeer, collection: Record<string, string>) => Promise<void> | void) {
  return {
    subChanges: async (request, peer) => {
      peer.reply(request);
      await feed(peer, collectionOf(request));
    },
  } satisfies Record<string, RawHandler>;
}

function caughtUpOn(peer: RawBlipPeer, collection: Record<string, string>): void {
  peer.notify({ Profile: 'changes', ...collection }, '[]');
}

/** Announces, sends what is asked for, and says that this was all. */
async function announce(
  peer: RawBlipPeer,
  collection: Record<string, string>,
  list: unknown[][],
  bodies: Readonly<Record<string, string>> = {},
): Promise<RawReply[]> {
  const reply = await peer.request({ Profile: 'changes', ...collection }, JSON.stringify(list));
  const answers = (reply.text === '' ? [] : JSON.parse(reply.text)) as unknown[];
  const sent = list.flatMap(([sequence, id, rev], index) => {
    if (!Array.isArray(answers[index])) return [];
    const properties = { id: String(id), rev: String(rev), sequence: JSON.stringify(sequence) };
    return [peer.request({ Profile: 'rev', ...collection, ...properties }, bodies[String(id)] ?? '{"n":1}')];
  });
  peer.notify({ Profile: 'changes', ...collection }, '[]');
  return Promise.all(sent);
}

describe('the beginning with a passive peer', LIMIT, () => {
  for (const [what, handler, expected, close] of [
    ['no list', (request, peer) => peer.reply(request, 'xx'), 'REPLICATION_PROTOCOL_ERROR 26', 4002],
    ['nothing', (request, peer) => peer.reply(request), 'REPLICATION_PROTOCOL_ERROR 26', 4002],
    ['an empty list', (request, peer) => peer.reply(request, '[]'), 'REPLICATION_PROTOCOL_ERROR 26', 4002],
    ['too long a list', (request, peer) => peer.reply(request, '[{},{}]'), 'REPLICATION_PROTOCOL_ERROR 26', 4002],
    [
      'an unknown collection',
      (request, peer) => peer.reply(request, '[null]'),
      'REMOTE_COLLECTION_NOT_FOUND 10404',
      1000,
    ],
    ['HTTP/400', (request, peer) => peer.refuse(request, 'HTTP/400'), 'REPLICATION_REMOTE_ERROR 10400', 4002],
    ['HTTP/401', (request, peer) => peer.refuse(request, 'HTTP/401'), 'AUTHENTICATION_FAILED 10401', 1000],
    ['HTTP/403', (request, peer) => peer.refuse(request, 'HTTP/403'), 'ACCESS_DENIED 10403', 4002],
    ['HTTP/500', (request, peer) => peer.refuse(request, 'HTTP/500'), 'REPLICATION_REMOTE_ERROR 10500', 1000],
    ['HTTP/503', (request, peer) => peer.refuse(request, 'HTTP/503'), 'CONNECTION_UNAVAILABLE 10503', 4001],
    ['BLIP/404', (request, peer) => peer.refuse(request, 'BLIP/404'), 'REPLICATION_REMOTE_ERROR 26', 4002],
    ['BLIP/501', (request, peer) => peer.refuse(request, 'BLIP/501'), 'REPLICATION_REMOTE_ERROR 26', 4002],
    ['LiteCore/10', (request, peer) => peer.refuse(request, 'LiteCore/10'), 'REPLICATION_REMOTE_ERROR 10', 4002],
    ['POSIX/28', (request, peer) => peer.refuse(request, 'POSIX/28'), 'REPLICATION_REMOTE_ERROR 28', 4002],
  ] as [string, RawHandler, string, number][]) {
    it(`ends where it answers getCollections with ${what}`, async (context) => {
      const server = await againstRaw(context, { getCollections: handler });
      assert.equal(await run(server), expected);
      assert.equal(await closeCode(server), close);
    });
  }

  it('goes on whatever the checkpoints it returns look like', async (context) => {
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', {});
    const ranges = Array.from({ length: 100_000 }, (_, index) => [1_000_000 - index * 2, 1]).flat();
    for (const checkpoint of [
      '{}',
      '3',
      '"x"',
      '[]',
      '{"rev":5}',
      '{"rev":"1-cc","local":"x","remote":{"a":[]}}',
      '{"rev":"1-cc","local":1e300,"localCompleted":[0,-1]}',
      '{"rev":"1-cc","local":9007199254740993,"remote":null}',
      '{"rev":"1-cc","localCompleted":[5,1,0,1]}',
      `{"rev":"1-cc","localCompleted":[0,1,${ranges.join(',')}]}`,
    ]) {
      const server = await againstRaw(
        context,
        { getCollections: (request, raw) => raw.reply(request, `[${checkpoint}]`) },
        { peer },
      );
      assert.equal(await run(server), undefined, checkpoint.slice(0, 60));
      // The checkpoint of our side decides: what the peer believes cannot make us skip anything.
      const proposed = server.raws[0]?.requests.filter(({ profile }) => profile === 'proposeChanges') ?? [];
      assert.equal(proposed.length <= 1, true);
    }
  });

  it('skips nothing because the peer claims to have it', async (context) => {
    const claims = '[{"rev":"1-cc","local":1000,"remote":1000}]';
    const server = await againstRaw(context, { getCollections: (request, raw) => raw.reply(request, claims) });
    await server.peer.metrics.save('d', {});
    assert.equal(await run(server), undefined);
    const [raw] = server.raws;
    assert.equal(
      raw?.requests.some(({ profile }) => profile === 'rev'),
      true,
    );
    assert.equal(raw?.requests.find(({ profile }) => profile === 'subChanges')?.properties['since'], undefined);
    assert.deepEqual(savedCheckpoint(raw), { local: 1 });
  });

  it('ends where subChanges is refused, with what was said', async (context) => {
    for (const [error, expected, close] of [
      ['HTTP/503', 'CONNECTION_UNAVAILABLE 10503', 4001],
      ['HTTP/400', 'REPLICATION_REMOTE_ERROR 10400', 4002],
      ['HTTP/403', 'ACCESS_DENIED 10403', 4002],
      ['HTTP/500', 'REPLICATION_REMOTE_ERROR 10500', 1000],
      ['LiteCore/501', 'REPLICATION_REMOTE_ERROR 501', 4002],
      ['BLIP/404', 'REPLICATION_REMOTE_ERROR 26', 4002],
    ] as const) {
      const server = await againstRaw(context, { subChanges: (request, peer) => peer.refuse(request, error) });
      assert.equal(await run(server), expected);
      assert.equal(await closeCode(server), close);
    }
  });

  it('has a bound on what an error may say', async (context) => {
    const server = await againstRaw(context, {
      getCollections: (request, peer) => peer.refuse(request, 'HTTP/500', 'x'.repeat(1_000_000)),
    });
    server.replicator.start();
    const error = await server.replicator.stopped();
    assert.ok((error?.message.length ?? 0) < 2_000, `${error?.message.length}`);
  });
});

describe('a passive peer that closes', LIMIT, () => {
  for (const phase of ['getCollections', 'subChanges', 'proposeChanges', 'rev', 'setCheckpoint']) {
    it(`at ${phase} is believed about the reason`, async (context) => {
      for (const [error, expected] of [
        [undefined, 'CONNECTION_CLOSED_BY_PEER 11001'],
        [closing(1001), 'CONNECTION_CLOSED_BY_PEER 11001'],
        [closing(4001), 'CONNECTION_INTERRUPTED 14001'],
        [closing(4002), 'CONNECTION_FAILED 14002'],
        [closing(1002), 'CONNECTION_PROTOCOL_ERROR 11002'],
        [closing(1011), 'CONNECTION_PROTOCOL_ERROR 11011'],
      ] as const) {
        const server = await againstRaw(context, { [phase]: (_request, peer) => peer.leave(error) });
        await server.peer.metrics.save('d', {});
        assert.equal(await run(server), expected);
      }
    });
  }

  it('with a lasting reason is not called again, though requests of ours were waiting', async (context) => {
    const server = await againstRaw(
      context,
      { proposeChanges: (_request, peer) => peer.leave(closing(4002)) },
      { continuous: true, maxAttempts: 5 },
    );
    await server.peer.metrics.save('d', {});
    assert.equal(await run(server), 'CONNECTION_FAILED 14002');
    assert.equal(server.raws.length, 1);
  });
});

describe('a passive peer that never answers', LIMIT, () => {
  for (const phase of ['getCollections', 'subChanges', 'proposeChanges', 'rev', 'setCheckpoint']) {
    it(`${phase} keeps the replicator busy, and can be stopped`, async (context) => {
      const clock = new VirtualClock();
      const server = await againstRaw(context, { [phase]: () => undefined }, { clock });
      await server.peer.metrics.save('d', {});
      const asked = new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (server.raws[0]?.requests.some(({ profile }) => profile === phase) !== true) return;
          clearInterval(look);
          resolve();
        }, 1);
      });
      server.replicator.start();
      await asked;
      assert.equal(server.replicator.status.activity, phase === 'getCollections' ? 'connecting' : 'busy');
      await clock.runUntil(server.replicator.stop(), 10_000);
      assert.deepEqual([server.replicator.status.activity, server.replicator.status.error], ['stopped', undefined]);
      assert.equal(clock.pendingTimers, 0);
    });
  }
});

describe('a push to a passive peer', LIMIT, () => {
  const proposed = ({ raws }: RawServer, index = 0) =>
    raws[index]?.requests
      .filter(({ profile, text }) => profile === 'proposeChanges' && text !== '[]')
      .map(({ text }) => (JSON.parse(text) as string[][]).map(([id]) => id).join(' ')) ?? [];
  const sent = ({ raws }: RawServer, index = 0) =>
    raws[index]?.requests.filter(({ profile }) => profile === 'rev').map(({ properties }) => properties['id']) ?? [];

  async function pushing(
    context: TestContext,
    handlers: Readonly<Record<string, RawHandler>>,
    options: Partial<ReplicatorOptions> = {},
  ): Promise<RawServer> {
    const server = await againstRaw(context, handlers, { type: 'push', ...options });
    for (const id of ['a', 'b', 'c']) await server.peer.metrics.save(id, { id });
    return server;
  }

  it('sends everything where the answer to a proposal cannot be used', async (context) => {
    for (const answer of [
      '',
      'null',
      '{}',
      '[[',
      '[null,[],"x"]',
      '[0,0,0,0,0]',
      '[{},{"status":"x"},{"status":null}]',
    ]) {
      const server = await pushing(context, { proposeChanges: (request, peer) => peer.reply(request, answer) });
      assert.equal(await run(server), undefined, answer);
      assert.deepEqual(sent(server), ['a', 'b', 'c'], answer);
      assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 3 }, answer);
    }
  });

  it('takes each status of the answer for the document it belongs to', async (context) => {
    for (const [answer, documents, problems] of [
      ['[0,304]', ['a', 'c'], []],
      ['[409,403,500]', [], ['a 10409', 'b 10403', 'c 10500']],
      ['[{"status":304},{"status":0},{"status":409,"rev":""}]', ['b'], ['c 10409']],
      [`[304,{"status":409,"rev":"${revisionID(5)}"},-7]`, [], ['b 10409', 'c 9993']],
      ['[304,304,12345678901234567890]', ['c'], []],
    ] as const) {
      let answers = 0;
      const server = await pushing(context, {
        proposeChanges: (request, peer) => peer.reply(request, answers++ === 0 ? answer : '[]'),
      });
      assert.equal(await run(server), undefined, answer);
      assert.deepEqual(sent(server), documents, answer);
      assert.deepEqual(
        server.problems.map(({ documentID, isPush, error }) => `${isPush ? documentID : '?'} ${error.number}`).sort(),
        problems,
        answer,
      );
      assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 3 }, answer);
    }
  });

  it('does not pass a document that could not be taken now, and is tried again', async (context) => {
    for (const at of ['proposal', 'rev'] as const) {
      let refusals = 0;
      const clock = new VirtualClock();
      const server = await pushing(
        context,
        {
          proposeChanges: (request, peer) => {
            const index = (JSON.parse(request.text) as string[][]).findIndex(([id]) => id === 'b');
            const busy = at === 'proposal' && index >= 0 && refusals++ === 0;
            peer.reply(request, busy ? `[${'0,'.repeat(index)}503]` : '[]');
          },
          rev: (request, peer) => {
            const busy = at === 'rev' && request.properties['id'] === 'b' && refusals++ === 0;
            if (busy) peer.refuse(request, 'HTTP/503');
            else peer.reply(request);
          },
        },
        { clock, maxAttempts: 3 },
      );
      skipWaits(server.replicator, clock);
      assert.equal(await run(server), undefined);
      assert.equal(server.raws.length, 2, at);
      assert.ok(sent(server, 1).includes('b'), at);
      assert.deepEqual(savedCheckpoint(server.raws[1]), { local: 3 });
    }
  });

  it('ends with the reason where a document is refused for now after it was refused for good', async (context) => {
    let refusals = 0;
    const server = await pushing(context, {
      rev: (request, peer) => {
        if (request.properties['id'] !== 'b') peer.reply(request);
        else peer.refuse(request, refusals++ === 0 ? 'HTTP/403' : 'HTTP/503');
      },
    });
    assert.equal(await run(server), 'CONNECTION_UNAVAILABLE 10503');
    assert.equal(refusals, 2);
    const saved = savedCheckpoint(server.raws[0]);
    assert.ok(saved === undefined || saved['local'] === 1, JSON.stringify(saved));
  });

  it('proposes once more what was answered 403, and then gives it up', async (context) => {
    const server = await pushing(context, {
      rev: (request, peer) =>
        request.properties['id'] === 'b' ? peer.refuse(request, 'HTTP/403') : peer.reply(request),
    });
    assert.equal(await run(server), undefined);
    assert.deepEqual(proposed(server), ['a b c', 'b']);
    assert.deepEqual(sent(server), ['a', 'b', 'c', 'b']);
    assert.deepEqual(
      server.problems.map(({ documentID, error }) => `${documentID} ${error.number}`),
      ['b 10403'],
    );
    assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 3 });
  });

  it('gives up a document for each lasting error, once', async (context) => {
    for (const error of [
      'HTTP/404',
      'HTTP/409',
      'HTTP/400',
      'HTTP/422',
      'HTTP/500',
      'LiteCore/8',
      'LiteCore/31',
      'BLIP/501',
    ]) {
      const server = await pushing(context, {
        rev: (request, peer) => (request.properties['id'] === 'b' ? peer.refuse(request, error) : peer.reply(request)),
      });
      assert.equal(await run(server), undefined, error);
      assert.deepEqual(sent(server), ['a', 'b', 'c'], error);
      assert.deepEqual(
        server.problems.map(({ documentID }) => documentID),
        ['b'],
        error,
      );
      assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 3 }, error);
    }
  });

  it('is not led in circles by a peer that contradicts itself', async (context) => {
    let count = 0;
    const server = await pushing(context, {
      proposeChanges: (request, peer) => {
        count++;
        const list = JSON.parse(request.text) as string[][];
        const rev = count % 2 === 0 ? '' : revisionID(1, 'abcdef'.charAt(count % 6));
        peer.reply(request, JSON.stringify(list.map(() => ({ status: 409, rev }))));
      },
    });
    for (let round = 0; round < 3; round++) await server.peer.metrics.save('a', { round });
    assert.equal(await run(server), undefined);
    assert.ok(count <= 12, String(count));
    assert.equal(server.problems.length, 3);
  });

  it('does not build on the branch of a conflict that waits for its resolution', async (context) => {
    const theirs = { id: 'a', revisionID: revisionID(2, 'f'), history: [], deleted: true, body: '{}', hasBlobs: false };
    const server = await pushing(context, {
      proposeChanges: async (request, peer) => {
        // As a pull does at the same time: the conflict is committed, its resolution is not.
        const store = storeOf(server.peer.metrics);
        await store.insert(theirs, { remote: await store.remoteNumber('raw') });
        peer.reply(request, JSON.stringify([{ status: 409, rev: theirs.revisionID }]));
      },
    });
    assert.equal(await run(server), undefined);
    assert.equal(proposed(server).length, 1);
    assert.deepEqual(sent(server), ['b', 'c']);
  });

  it('ends where a proposal is refused as a whole', async (context) => {
    for (const [error, expected, close] of [
      ['HTTP/503', 'CONNECTION_UNAVAILABLE 10503', 4001],
      ['HTTP/409', 'REPLICATION_REMOTE_ERROR 10409', 1000],
      ['HTTP/500', 'REPLICATION_REMOTE_ERROR 10500', 1000],
      ['BLIP/404', 'REPLICATION_REMOTE_ERROR 26', 4002],
    ] as const) {
      const server = await pushing(context, { proposeChanges: (request, peer) => peer.refuse(request, error) });
      assert.equal(await run(server), expected);
      assert.equal(await closeCode(server), close);
      assert.equal(savedCheckpoint(server.raws[0]), undefined);
    }
  });

  it('leaves what is saved meanwhile to the next run, so that it ends', async (context) => {
    const server = await pushing(context, {});
    let isOver = false;
    const writer = (async () => {
      for (let index = 0; !isOver; index++) await server.peer.metrics.save(`more${index}`, {});
    })();
    assert.equal(await run(server), undefined);
    isOver = true;
    await writer;
    assert.ok(sent(server).length < 200, String(sent(server).length));
    await run(server);
    assert.equal(new Set([...sent(server), ...sent(server, 1)]).size, await server.peer.metrics.count());
  });

  it('refuses a push of the peer, and asks for nothing', async (context) => {
    const replies: RawReply[] = [];
    const server = await pushing(context, {
      proposeChanges: async (request, peer) => {
        for (const Profile of ['changes', 'rev', 'proposeChanges', 'subChanges', 'getCheckpoint']) {
          replies.push(await peer.request({ Profile, collection: '0', client: 'c', id: 'x', rev: A1 }, '[]'));
        }
        peer.reply(request, '[]');
      },
    });
    assert.equal(await run(server), undefined);
    assert.deepEqual(
      replies.map(({ error }) => error),
      ['HTTP/403', 'HTTP/403', 'BLIP/404', 'BLIP/404', 'BLIP/404'],
    );
    assert.equal(
      server.raws[0]?.requests.some(({ profile }) => profile === 'subChanges'),
      false,
    );
  });
});

describe('a pull from a passive peer', LIMIT, () => {
  const pulling = (
    context: TestContext,
    handlers: Readonly<Record<string, RawHandler>>,
    options: Partial<ReplicatorOptions> = {},
  ) => againstRaw(context, handlers, { type: 'pull', ...options });

  it('ends with each spelling of "that was all", and saves nothing where nothing came', async (context) => {
    for (const [body, isAnswered] of [
      ['null', false],
      ['[]', false],
      ['null', true],
      ['[]', true],
    ] as const) {
      const server = await pulling(
        context,
        feeding(async (peer, collection) => {
          const properties = { Profile: 'changes', ...collection };
          if (!isAnswered) return peer.notify(properties, body);
          const reply = await peer.request(properties, body);
          assert.deepEqual([reply.error, reply.text], [undefined, '']);
        }),
      );
      assert.equal(await run(server), undefined);
      assert.equal(await closeCode(server), 1000);
      assert.equal(savedCheckpoint(server.raws[0]), undefined);
    }
  });

  it('ends after the last revision, which may come after the end of the feed', async (context) => {
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        const list = [
          [1, 'a', A1],
          [2, 'b', A1],
          ['1::5', 'c', A1],
        ];
        const answer = peer.request({ Profile: 'changes', ...collection }, JSON.stringify(list));
        peer.notify({ Profile: 'changes', ...collection }, '[]');
        assert.equal((await answer).text, '[[],[],[]]');
        peer.notify({ Profile: 'norev', ...collection, id: 'b', rev: A1, sequence: '2', error: '404' });
        await peer.request({ Profile: 'rev', ...collection, id: 'a', rev: A1, sequence: '1' }, '{}');
        assert.equal(server.replicator.status.activity, 'busy');
        await peer.request({ Profile: 'rev', ...collection, id: 'c', rev: A1, sequence: '"1::5"' }, '{}');
      }),
    );
    assert.equal(await run(server), undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: '1::5' });
    assert.deepEqual(
      server.problems.map(({ documentID }) => documentID),
      ['b'],
    );
    assert.equal(await server.peer.metrics.count(), 2);
  });

  it('passes a revision that is wrong in itself, and tells of it', async (context) => {
    for (const [properties, body] of [
      [{}, '{"a":'],
      [{}, ''],
      [{}, '[1]'],
      [{ history: 'junk' }, '{}'],
      [{ rev: '1-xyz' }, '{}'],
    ] as const) {
      const server = await pulling(
        context,
        feeding(async (peer, collection) => {
          const announced = properties as Record<string, string>;
          await peer.request({ Profile: 'changes', ...collection }, `[[1,"a","${announced['rev'] ?? A1}"]]`);
          const message = { Profile: 'rev', ...collection, id: 'a', rev: A1, sequence: '1', ...properties };
          assert.notEqual((await peer.request(message, body)).error, undefined);
          peer.notify({ Profile: 'changes', ...collection }, '[]');
        }),
      );
      assert.equal(await run(server), undefined);
      assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: 1 });
      assert.deepEqual(
        server.problems.map(({ documentID, isPush }) => [documentID, isPush]),
        [['a', false]],
      );
    }
  });

  it('does not pass a revision that the peer cannot give now, and is tried again', async (context) => {
    let refusals = 0;
    const clock = new VirtualClock();
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        const list = [1, 2, 3].map((sequence) => [sequence, `d${sequence}`, A1]);
        await peer.request({ Profile: 'changes', ...collection }, JSON.stringify(list));
        for (const [sequence, id] of list) {
          const message = { ...collection, id: String(id), rev: A1, sequence: String(sequence) };
          if (sequence === 2 && refusals++ === 0) peer.notify({ Profile: 'norev', ...message, error: '503' });
          else await peer.request({ Profile: 'rev', ...message }, '{}');
        }
        peer.notify({ Profile: 'changes', ...collection }, '[]');
      }),
      { clock, maxAttempts: 3 },
    );
    skipWaits(server.replicator, clock);
    assert.equal(await run(server), undefined);
    assert.equal(server.raws.length, 2);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: 1 });
    assert.deepEqual(savedCheckpoint(server.raws[1]), { remote: 3 });
    assert.equal(await server.peer.metrics.count(), 3);
  });

  it('asks ever more seldom for what the peer cannot give, in a session that goes on', async (context) => {
    const clock = new VirtualClock();
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        if ((await peer.request({ Profile: 'changes', ...collection }, `[[1,"a","${A1}"]]`)).text !== '[[]]') return;
        peer.notify({ Profile: 'norev', ...collection, id: 'a', rev: A1, sequence: '1', error: '503' });
        caughtUpOn(peer, collection);
      }),
      { clock, continuous: true, maxAttempts: 5 },
    );
    const activities: string[] = [];
    let failures = 0;
    server.replicator.on('status', ({ activity }) => {
      activities.push(activity);
      if (activity === 'offline') void clock.advance(2 ** ++failures * 1_000);
    });
    assert.equal(await run(server), 'CONNECTION_UNAVAILABLE 10503');
    assert.equal(server.raws.length, 5);
    assert.equal(activities.includes('idle'), false);
  });

  it('settles a revision by its document where the peer confuses the sequence, or leaves it out', async (context) => {
    for (const [sequence, error, saved] of [
      ['77', undefined, { remote: 1 }],
      ['"1"', undefined, { remote: 1 }],
      ['no json', 'HTTP/400', undefined],
      ['', 'HTTP/400', undefined],
    ] as const) {
      for (const kind of ['rev', 'norev'] as const) {
        const server = await pulling(
          context,
          feeding(async (peer, collection) => {
            await peer.request({ Profile: 'changes', ...collection }, `[[1,"a","${A1}"]]`);
            const message = { Profile: kind, ...collection, id: 'a', rev: A1, sequence };
            if (kind === 'norev') peer.notify({ ...message, error: '404' });
            else assert.equal((await peer.request(message, '{}')).error, error);
            peer.notify({ Profile: 'changes', ...collection }, '[]');
          }),
        );
        assert.equal(await run(server), undefined, `${kind} ${sequence}`);
        assert.deepEqual(savedCheckpoint(server.raws[0]), saved, `${kind} ${sequence}`);
      }
    }
  });

  it('stores what comes without being announced, and without an answer', async (context) => {
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        for (let index = 0; index < 2_000; index++) {
          const message = { Profile: 'rev', ...collection, id: `d${index}`, rev: A1, sequence: String(index) };
          if (index % 2 === 0) peer.notify(message, '{}');
          else void peer.request(message, '{}');
        }
        await peer.request({ Profile: 'rev', ...collection, id: 'last', rev: A1, sequence: '1' }, '{}');
        peer.notify({ Profile: 'norev', ...collection, id: 'x', rev: A1, sequence: '9' });
        peer.notify({ Profile: 'changes', ...collection }, '[]');
      }),
    );
    assert.equal(await run(server), undefined);
    assert.equal(await server.peer.metrics.count(), 2_001);
    assert.equal(savedCheckpoint(server.raws[0]), undefined);
  });

  it('asks twice for what is announced twice, and waits for both', async (context) => {
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        const answer = await peer.request({ Profile: 'changes', ...collection }, `[[1,"a","${A1}"],[1,"a","${A1}"]]`);
        assert.equal(answer.text, '[[],[]]');
        const message = { Profile: 'rev', ...collection, id: 'a', rev: A1, sequence: '1' };
        assert.deepEqual((await peer.request(message, '{}')).properties, {});
        peer.notify({ Profile: 'changes', ...collection }, '[]');
        assert.equal(server.replicator.status.activity, 'busy');
        assert.deepEqual((await peer.request(message, '{}')).properties, { noop: 'true' });
      }),
    );
    assert.equal(await run(server), undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: 1 });
  });

  it('does not end as a success where a promised revision never comes, and can be stopped', async (context) => {
    let announced: (() => void) | undefined;
    const isAnnounced = new Promise<void>((resolve) => void (announced = resolve));
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        await peer.request({ Profile: 'changes', ...collection }, `[[1,"a","${A1}"],[2,"b","${A1}"]]`);
        await peer.request({ Profile: 'rev', ...collection, id: 'b', rev: A1, sequence: '2' }, '{}');
        peer.notify({ Profile: 'changes', ...collection }, '[]');
        await peer.request({ Profile: 'isAnybodyThere' });
        announced?.();
      }),
    );
    server.replicator.start();
    await isAnnounced;
    assert.equal(server.replicator.status.activity, 'busy');
    await server.replicator.stop();
    assert.equal(savedCheckpoint(server.raws[0]), undefined);
  });

  it('ends where a list of changes cannot be read, for its documents would be lost', async (context) => {
    for (const body of [
      'nojson',
      '{}',
      '[[1,"a"]]',
      '[[1,"","1-aa"]]',
      `[[{},"a","${A1}"]]`,
      `[["${'9'.repeat(5_000)}","a","${A1}"]]`,
    ]) {
      const server = await pulling(
        context,
        feeding(async (peer, collection) => {
          void peer.request({ Profile: 'changes', ...collection }, body);
          peer.notify({ Profile: 'changes', ...collection }, '[]');
        }),
      );
      assert.equal(await run(server), 'REPLICATION_PROTOCOL_ERROR 26', body.slice(0, 40));
      assert.equal(await closeCode(server), 4002);
      assert.equal(savedCheckpoint(server.raws[0]), undefined);
    }
  });

  it('answers every list in its order, however many wait', async (context) => {
    const LISTS = 40;
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        const replies: number[] = [];
        const all = Array.from({ length: LISTS }, async (_, list) => {
          const entries = Array.from({ length: 100 }, (_, index) => [list * 100 + index + 1, `d${list}-${index}`, A1]);
          const reply = await peer.request({ Profile: 'changes', ...collection }, JSON.stringify(entries));
          replies.push(list);
          assert.equal((JSON.parse(reply.text) as unknown[]).length, 100);
          for (const [sequence, id] of entries.reverse()) {
            const message = { ...collection, id: String(id), rev: A1, sequence: String(sequence) };
            void peer.request({ Profile: 'rev', ...message }, '{}');
          }
        });
        peer.notify({ Profile: 'changes', ...collection }, '[]');
        await Promise.all(all);
        assert.deepEqual(
          replies,
          Array.from({ length: LISTS }, (_, list) => list),
        );
      }),
    );
    assert.equal(await run(server), undefined);
    assert.equal(await server.peer.metrics.count(), LISTS * 100);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: LISTS * 100 });
  });

  it('holds back a peer that announces without end', async (context) => {
    let answered = 0;
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        for (let list = 0; list < 20_000; list++) {
          const entries = JSON.stringify([[list, `d${list}`, A1]]);
          void peer.request({ Profile: 'changes', ...collection }, entries).then(
            () => answered++,
            () => undefined,
          );
        }
      }),
    );
    assert.equal(await run(server), 'REPLICATION_PROTOCOL_ERROR 26');
    assert.ok(answered <= 5_000, String(answered));
  });

  it('ignores changes that want no answer, for nothing could be asked for', async (context) => {
    const server = await pulling(
      context,
      feeding((peer, collection) => {
        peer.notify({ Profile: 'changes', ...collection }, `[[1,"a","${A1}"]]`);
        peer.notify({ Profile: 'changes', ...collection }, '[]');
      }),
    );
    assert.equal(await run(server), undefined);
    assert.equal(savedCheckpoint(server.raws[0]), undefined);
  });

  it('does not ask for what has left the peer, in any of its words', async (context) => {
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        const entries = [true, 1, 2, 3, 4, 5, false, 0, 'x'].map((flags, index) => [index + 1, `d${index}`, A1, flags]);
        const reply = await peer.request({ Profile: 'changes', ...collection }, JSON.stringify(entries));
        assert.equal(reply.text, '[[],[],0,0,0,[],[],[],[]]');
        for (const [sequence, id] of entries) {
          const message = { ...collection, id: String(id), rev: A1, sequence: String(sequence) };
          peer.notify({ Profile: 'rev', ...message }, '{}');
        }
        peer.notify({ Profile: 'changes', ...collection }, '[]');
      }),
    );
    assert.equal(await run(server), undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0]), { remote: 9 });
  });

  it('keeps what a peer says to the wrong collection out', async (context) => {
    const server = await pulling(
      context,
      feeding(async (peer, collection) => {
        for (const wrong of [{}, { collection: '1' }, { collection: 'x' }, { collection: '-1' }]) {
          for (const Profile of ['changes', 'rev', 'norev']) {
            const message = { Profile, ...wrong, id: 'a', rev: A1, sequence: '1' };
            assert.equal((await peer.request(message, '[]')).error, 'HTTP/400', JSON.stringify(message));
          }
        }
        await announce(peer, collection, [[1, 'a', A1]]);
      }),
    );
    assert.equal(await run(server), undefined);
    assert.equal(await server.peer.metrics.count(), 1);
  });
});

describe('the end with a passive peer', LIMIT, () => {
  for (const [error, expected, close] of [
    ['HTTP/503', 'CONNECTION_UNAVAILABLE 10503', 4001],
    ['HTTP/400', 'REPLICATION_REMOTE_ERROR 10400', 4002],
    ['HTTP/403', 'ACCESS_DENIED 10403', 4002],
    ['HTTP/500', 'REPLICATION_REMOTE_ERROR 10500', 1000],
    ['BLIP/404', 'REPLICATION_REMOTE_ERROR 26', 4002],
  ] as const) {
    it(`is an error where it answers setCheckpoint with ${error}`, async (context) => {
      const server = await againstRaw(context, { setCheckpoint: (request, peer) => peer.refuse(request, error) });
      await server.peer.metrics.save('d', {});
      assert.equal(await run(server), expected);
      assert.equal(await closeCode(server), close);
      const id = server.raws[0]?.requests.find(({ profile }) => profile === 'setCheckpoint')?.properties['client'];
      assert.equal(await storeOf(server.peer.metrics).localCheckpoint(id ?? ''), undefined, 'ours is ahead of its');
    });
  }

  it('overwrites a checkpoint that another has saved', async (context) => {
    let revision = 'x-1';
    const server = await againstRaw(context, {
      getCheckpoint: (request, peer) => peer.reply(request, '{"local":99}', { rev: revision }),
      setCheckpoint: (request, peer) => {
        if (request.properties['rev'] !== revision) return peer.refuse(request, 'HTTP/409');
        revision = 'x-2';
        peer.reply(request, '', { rev: revision });
      },
    });
    await server.peer.metrics.save('d', {});
    assert.equal(await run(server), undefined);
    assert.equal(revision, 'x-2');
    assert.deepEqual(savedCheckpoint(server.raws[0]), { local: 1 });
  });

  it('is a success where others save the checkpoint all the time: it only makes the next run longer', async (context) => {
    let saves = 0;
    const server = await againstRaw(context, {
      getCheckpoint: (request, peer) => peer.reply(request, '{}', { rev: 'x' }),
      setCheckpoint: (request, peer) => {
        saves++;
        peer.refuse(request, 'HTTP/409');
      },
    });
    await server.peer.metrics.save('d', {});
    assert.equal(await run(server), undefined);
    assert.ok(saves < 50, String(saves));
  });
});

describe('the old way without collections', LIMIT, () => {
  const legacy: Readonly<Record<string, RawHandler>> = {
    getCollections: (request, peer) => peer.refuse(request, 'BLIP/404', 'No handler for BLIP request'),
  };

  it('is taken with the default collection alone', async (context) => {
    const peer = await openPeer(context, 'ours');
    const collection = peer.database.collection();
    await collection.save('mine', {});
    const server = await againstRaw(
      context,
      {
        ...legacy,
        ...feeding(async (raw, none) => {
          assert.deepEqual(none, {});
          await announce(raw, none, [[1, 'its', A1]]);
        }),
      },
      { peer, collections: [collection] },
    );
    assert.equal(await run(server), undefined);
    assert.equal(await collection.count(), 2);
    for (const { properties } of server.raws[0]?.requests ?? []) assert.equal(properties['collection'], undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0])?.['remote'], 1);
  });

  it('ends where its checkpoint is refused, and goes on where that is garbage', async (context) => {
    const peer = await openPeer(context, 'ours');
    const collections = [peer.database.collection()];
    for (const [getCheckpoint, expected] of [
      [(request, raw) => raw.refuse(request, 'HTTP/502'), 'CONNECTION_UNAVAILABLE 10502'],
      [(request, raw) => raw.refuse(request, 'BLIP/400'), 'REPLICATION_REMOTE_ERROR 26'],
      [(request, raw) => raw.reply(request, 'garbage', { rev: '5' }), undefined],
      [(request, raw) => raw.reply(request), undefined],
    ] as [RawHandler, string | undefined][]) {
      const server = await againstRaw(context, { ...legacy, getCheckpoint }, { peer, collections });
      assert.equal(await run(server), expected);
    }
  });
});

describe('resetting', LIMIT, () => {
  it('is not forgotten where the connection breaks before anything was saved', async (context) => {
    const clock = new VirtualClock();
    let sessions = 0;
    let isBreaking = false;
    const server = await againstRaw(
      context,
      {
        getCollections: (request, peer) => {
          sessions++;
          peer.reply(request, sessions === 1 ? '[{}]' : '[{"rev":"1-cc","local":1,"remote":7}]');
        },
        subChanges: async (request, peer) => {
          if (isBreaking) {
            isBreaking = false;
            return peer.leave(new MessagingError('CONNECTION_INTERRUPTED', 'broken', { recoverable: true }));
          }
          peer.reply(request);
          if (request.properties['since'] === undefined) await announce(peer, collectionOf(request), [[7, 'its', A1]]);
          else caughtUp(request, peer);
        },
      },
      { clock, maxAttempts: 3 },
    );
    await server.peer.metrics.save('mine', {});
    assert.equal(await run(server), undefined);
    assert.deepEqual(savedCheckpoint(server.raws[0])?.['remote'], 7);
    skipWaits(server.replicator, clock);
    isBreaking = true;
    server.replicator.start({ reset: true });
    assert.equal(await server.replicator.stopped(), undefined);
    assert.equal(server.raws.length, 3);
    const last = server.raws[2]?.requests.find(({ profile }) => profile === 'subChanges');
    assert.equal(last?.properties['since'], undefined, 'the reset was forgotten');
  });
});

function closing(code: number): MessagingError {
  return new MessagingError('CONNECTION_FAILED', 'as the test wants it', { recoverable: false, closeCode: code });
}
