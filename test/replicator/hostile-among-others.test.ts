/**
 * One listener and several clients, of which some misbehave in every way known: each of their messages gets a coded answer or
 * ends their own connection, and what the others replicate meanwhile is complete and in good time.
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { BlipConnection } from '../../src/blip/index.js';
import { LoopbackEndpoint, MessageEndpointListener, Replicator, type ReplicatorOptions } from '../../src/index.js';
import { connectRaw, getCollections, revisionID } from '../support/hostile.js';
import { contents, openPeer, type Peer } from '../support/peers.js';
import type { RawBlipPeer } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const CODED = /^(?:HTTP|BLIP|LiteCore)\/\d+$/;

async function fill({ metrics, name }: Peer, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => metrics.save(`${name}-${index}`, { index, text: name.repeat(40) })),
  );
}

function serve(hub: Peer): MessageEndpointListener {
  return new MessageEndpointListener({ collections: [hub.metrics], protocolType: 'messageStream' });
}

function client(
  listener: MessageEndpointListener,
  peer: Peer,
  options: Partial<Omit<ReplicatorOptions, 'target'>> = {},
): Replicator {
  const target = new LoopbackEndpoint((connection) => listener.accept(connection), 'hub');
  return new Replicator({ collections: [peer.metrics], ...options, target });
}

async function sync(listener: MessageEndpointListener, peer: Peer): Promise<void> {
  const replicator = client(listener, peer);
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
}

/** Asks for the feed of all documents. */
async function subscribe(raw: RawBlipPeer): Promise<void> {
  await getCollections(raw);
  const reply = await raw.request({ Profile: 'subChanges', collection: '0', continuous: 'true' });
  assert.equal(reply.error, undefined);
}

/** Sends requests in batches, until the others are done or it is tired; every answer must be coded, or a success. */
async function flood(raw: RawBlipPeer, others: Others, make: (number: number) => ReturnType<RawBlipPeer['request']>) {
  for (let sent = 0; !others.areDone && sent < 500; sent += 50) {
    const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => make(sent + index)));
    for (const { error } of replies) if (error !== undefined) assert.match(error, CODED);
    await setImmediate();
  }
}

interface Others {
  areDone: boolean;
}

/** What a client does to the listener until the others are done. Connected, and nothing said yet. */
const MISBEHAVIOUR: Readonly<Record<string, (raw: RawBlipPeer, others: Others) => Promise<void>>> = {
  'says nothing': async () => undefined,

  'reads nothing of the feed that it asked for': async (raw) => {
    await subscribe(raw);
    raw.pause = deferred().promise;
  },

  'answers nothing': (raw) => subscribe(raw),

  'asks for every revision and acknowledges none': async (raw, others) => {
    await subscribe(raw);
    while (!others.areDone) {
      const next = await Promise.race([raw.next('changes'), raw.ended]);
      if (raw.isOver || next === undefined || !('text' in next)) return;
      raw.reply(next, JSON.stringify(Array.from({ length: 500 }, () => [])));
      if (next.text === '[]') return;
    }
  },

  'asks for the feed again and again': async (raw, others) => {
    await subscribe(raw);
    await flood(raw, others, () => raw.request({ Profile: 'subChanges', collection: '0', since: '0' }));
  },

  'begins before it has said which collections': (raw, others) =>
    flood(raw, others, (number) => {
      const profile = ['rev', 'changes', 'subChanges', 'setCheckpoint', 'proposeChanges', 'norev'][number % 6] ?? '';
      const properties = { id: 'x', rev: '1-aa', client: 'c', collection: String((number % 5) - 1) };
      return raw.request({ Profile: profile, ...properties }, '[]');
    }),

  'says again and again which collections': async (raw, others) => {
    await getCollections(raw);
    const body = JSON.stringify({ collections: ['metrics', 'nowhere'], checkpoint_ids: ['a', 'b'] });
    await flood(raw, others, () => raw.request({ Profile: 'getCollections' }, body));
  },

  'talks of collections that there are not': async (raw, others) => {
    await getCollections(raw);
    const names = ['1', '-1', '999999999999', 'NaN', '0 ', '0x0'];
    await flood(raw, others, (number) =>
      raw.request({ Profile: 'proposeChanges', collection: names[number % names.length] ?? '' }, '[]'),
    );
  },

  'sends messages of unknown kinds': (raw, others) =>
    flood(raw, others, (number) => raw.request({ Profile: `kind${number}` }, 'x'.repeat(1_000))),

  'pushes conflicts': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request(
        { Profile: 'rev', collection: '0', id: 'hub-1', rev: revisionID(1, 'abcdef'[number % 6]) },
        '{"n":1}',
      ),
    );
  },

  'pushes what is no document': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request({ Profile: 'rev', collection: '0', id: `bad${number}`, rev: '1-aa' }, '{"a":'),
    );
  },

  'pushes large documents that it never announced': async (raw, others) => {
    await getCollections(raw);
    const body = JSON.stringify({ text: 'x'.repeat(500_000) });
    for (let number = 0; !others.areDone && number < 15; number++) {
      const reply = await raw.request({ Profile: 'rev', collection: '0', id: 'large', rev: `${number + 1}-aa` }, body);
      if (reply.error !== undefined) assert.match(reply.error, CODED);
    }
  },

  'announces without end, and sends nothing': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request({ Profile: 'proposeChanges', collection: '0' }, JSON.stringify([[`promised${number}`, '1-aa']])),
    );
  },

  'writes over checkpoints without knowing what they are': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request({ Profile: 'setCheckpoint', collection: '0', client: `c${number % 3}`, rev: '7-cc' }, '{"local":1}'),
    );
  },

  'asks for blobs that there are not': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request({ Profile: 'getAttachment', collection: '0', docID: 'hub-1', digest: `sha1-${number}` }),
    );
  },

  'pushes documents whose blobs it never gives': async (raw) => {
    await getCollections(raw);
    for (let number = 0; number < 500; number++) {
      const digest = `sha1-${Buffer.alloc(20, `${number}!`).toString('base64')}`;
      const body = JSON.stringify({ picture: { '@type': 'blob', digest, length: 1_000_000 } });
      const reply = raw.request({ Profile: 'rev', collection: '0', id: `photo${number}`, rev: '1-aa' }, body);
      reply.then(({ error }) => assert.match(error ?? '', CODED)).catch(() => undefined);
    }
    await raw.next('getAttachment');
  },

  'pushes differences to what is not here': async (raw, others) => {
    await getCollections(raw);
    await flood(raw, others, (number) =>
      raw.request(
        { Profile: 'rev', collection: '0', id: `hub-${number % 7}`, rev: '2-aa', deltaSrc: revisionID(1) },
        '{"n":1}',
      ),
    );
  },

  'wants no answer to anything': async (raw, others) => {
    await getCollections(raw);
    while (!others.areDone) {
      for (const profile of ['rev', 'changes', 'proposeChanges', 'subChanges', 'setCheckpoint', 'x']) {
        raw.notify({ Profile: profile, collection: '0', id: 'quiet', rev: '9-aa', client: 'c' }, '[["d"');
      }
      await setImmediate();
    }
  },

  'never ends its first message': async (raw) => {
    const machine = new BlipConnection();
    machine.sendRequest({ properties: { Profile: 'rev' }, body: Buffer.alloc(1_000_000, 'x') });
    const frame = machine.pollFrame();
    assert.ok(frame);
    await raw.sendFrame(frame);
    machine.close();
    raw.pause = deferred().promise; // its own count of what it has sent is wrong now
  },

  'sends what is no frame': async (raw) => {
    await raw.sendFrame(new Uint8Array([1]));
    await raw.ended;
  },
};

async function hubWithListener(context: TestContext) {
  const hub = await openPeer(context, 'hub');
  await fill(hub, 1_000);
  return { hub, listener: serve(hub) };
}

/** An honest client's replication runs to its end while `misbehaviours` go on, each on a connection of its own. */
async function replicateAmong(context: TestContext, misbehaviours: readonly string[]): Promise<void> {
  const { hub, listener } = await hubWithListener(context);
  const honest = await openPeer(context, 'honest');
  await fill(honest, 200);
  const others: Others = { areDone: false };
  const hostile = await Promise.all(
    misbehaviours.map(async (what) => {
      const raw = await connectRaw(context, listener);
      return { what, raw, ended: MISBEHAVIOUR[what]?.(raw, others) };
    }),
  );
  await sync(listener, honest);
  others.areDone = true;
  for (const { what, raw, ended } of hostile) {
    const isPaused = raw.pause !== undefined;
    // Whoever waits for something that never comes is asked no more.
    if (/^(?:asks for every|answers)/.test(what)) void ended?.catch(() => undefined);
    else await ended;
    if (!raw.isOver && !isPaused)
      assert.equal((await raw.request({ Profile: 'isAnybodyThere' })).error, 'BLIP/404', what);
    await raw.leave();
  }
  assert.deepEqual(await hub.database.integrityCheck(), []);
  await sync(listener, honest);
  assert.ok((await hub.metrics.count()) >= 1_200);
  assert.deepEqual(await contents(honest.metrics), await contents(hub.metrics));
  await listener.closeAll();
  assert.equal(listener.status.connectionCount, 0);
}

describe('replications beside a client that', LIMIT, () => {
  for (const what of Object.keys(MISBEHAVIOUR)) {
    it(`${what} are complete`, (context) => replicateAmong(context, [what]));
  }

  it('does any of this, all at once, are complete', (context) => replicateAmong(context, Object.keys(MISBEHAVIOUR)));

  it('comes and goes in the middle of everything are complete', async (context) => {
    const { hub, listener } = await hubWithListener(context);
    const honest = await openPeer(context, 'honest');
    await fill(honest, 500);
    const syncing = sync(listener, honest);
    for (let round = 0; round < 60; round++) {
      const raw = await connectRaw(context, listener);
      if (round % 3 > 0) await subscribe(raw);
      if (round % 3 > 1)
        void raw.request({ Profile: 'rev', collection: '0', id: 'd', rev: '1-aa' }, '{}').catch(() => 0);
      await raw.leave();
    }
    await syncing;
    await sync(listener, honest);
    assert.deepEqual(await contents(honest.metrics), await contents(hub.metrics));
    await listener.closeAll();
  });
});

describe('several clients of one listener', LIMIT, () => {
  it('advance side by side, pushing and pulling', async (context) => {
    const { hub, listener } = await hubWithListener(context);
    const peers = await Promise.all(['p0', 'p1', 'p2', 'p3'].map((name) => openPeer(context, name)));
    for (const peer of peers) await fill(peer, 800);
    const replicators = peers.map((peer) => client(listener, peer));
    // How far each of them was when the first one was done.
    let others: number[] = [];
    const done = replicators.map(async (replicator) => {
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      if (others.length === 0) others = await Promise.all(peers.map(({ name }) => countOf(hub, name)));
    });
    await Promise.all(done);
    assert.ok(Math.min(...others) >= 240, `documents of each when the first had its 800: ${others.join(', ')}`);
    assert.equal(await hub.metrics.count(), 4_200);
  });

  it('with little to do are not kept waiting by one with much', async (context) => {
    const { hub, listener } = await hubWithListener(context);
    const [large, small] = [await openPeer(context, 'large'), await openPeer(context, 'small')];
    await fill(large, 6_000);
    await fill(small, 10);
    const quick = client(listener, small, { type: 'push' });
    let ofLarge = 0;
    const unsubscribe = hub.metrics.on('change', ({ documentIDs }) => {
      ofLarge += documentIDs.filter((id) => id.startsWith('large-')).length;
      if (ofLarge > 500 && quick.status.activity === 'stopped') quick.start();
    });
    const long = client(listener, large);
    const done = new Promise<number>((resolve) =>
      quick.on('status', ({ activity }) => activity === 'stopped' && resolve(ofLarge)),
    );
    long.start();
    const meanwhile = await done;
    unsubscribe();
    assert.equal(quick.status.error, undefined);
    assert.equal(await countOf(hub, 'small'), 10);
    assert.ok(meanwhile < 5_000, `it had to wait for ${meanwhile} of 6,000 documents of another`);
    assert.equal(await long.stopped(), undefined);
    assert.equal(await hub.metrics.count(), 7_010);
  });

  it('have a checkpoint each, whatever another saves', async (context) => {
    const { hub, listener } = await hubWithListener(context);
    const [mine, its] = [await connectRaw(context, listener), await connectRaw(context, listener)];
    for (const [raw, name] of [
      [mine, 'cp-mine'],
      [its, 'cp-its'],
    ] as const) {
      await getCollections(raw);
      const set = { Profile: 'setCheckpoint', collection: '0', client: name };
      assert.equal((await raw.request(set, JSON.stringify({ of: name }))).error, undefined);
      assert.equal((await raw.request(set, '{"of":"nobody"}')).error, 'HTTP/409');
    }
    for (const raw of [mine, its]) {
      for (const name of ['cp-mine', 'cp-its']) {
        const reply = await raw.request({ Profile: 'getCheckpoint', collection: '0', client: name });
        assert.deepEqual(JSON.parse(reply.text), { of: name });
      }
    }
    assert.equal(await hub.metrics.count(), 1_000);
  });

  it('that push the same document have one of them refused, who then has the one of the other', async (context) => {
    const { hub, listener } = await hubWithListener(context);
    const peers = await Promise.all(['p0', 'p1', 'p2'].map((name) => openPeer(context, name)));
    for (const { metrics, name } of peers) await metrics.save('contested', { by: name });
    await Promise.all(peers.map((peer) => sync(listener, peer)));
    for (const peer of [...peers, ...peers]) await sync(listener, peer);
    for (const { metrics } of peers) assert.deepEqual(await contents(metrics), await contents(hub.metrics));
  });
});

/** How many documents the hub has of a client. */
async function countOf(hub: Peer, name: string): Promise<number> {
  let count = 0;
  for await (const { id } of hub.metrics.documents()) if (id.startsWith(`${name}-`)) count++;
  return count;
}
