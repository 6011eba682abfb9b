/** A peer that owes something and says nothing: noticed by itself, whatever the medium does, and nobody else is blamed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { loopbackPair, type HawserError } from '../../src/index.js';
import { PeerListener } from '../../src/listener/index.js';
import { Watchdog } from '../../src/replicator/watchdog.js';
import { againstRaw, getCollections } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };

describe('the watch over a silent peer', () => {
  function watch(): {
    clock: VirtualClock;
    state: { received: number; isOwed: boolean; calls: number };
    dog: Watchdog;
  } {
    const clock = new VirtualClock();
    const state = { received: 0, isOwed: true, calls: 0 };
    const dog = new Watchdog({
      clock,
      silenceMs: 8_000,
      received: () => state.received,
      isOwed: () => state.isOwed,
      onSilent: () => state.calls++,
    });
    dog.start();
    return { clock, state, dog };
  }

  it('ends when nothing has come for the whole time, and tells once', async () => {
    const { clock, state } = watch();
    await clock.advance(8_000);
    assert.equal(state.calls, 0);
    await clock.advance(4_000);
    assert.equal(state.calls, 1);
    await clock.advance(100_000);
    assert.deepEqual([state.calls, clock.pendingTimers], [1, 0]);
  });

  it('begins anew with every byte, and with nothing owed', async () => {
    const { clock, state, dog } = watch();
    for (let round = 0; round < 20; round++) {
      await clock.advance(7_000);
      if (round % 2 === 0) state.received++;
      else {
        state.isOwed = false;
        await clock.advance(2_000);
        state.isOwed = true;
      }
    }
    assert.equal(state.calls, 0);
    dog.stop();
    await clock.advance(100_000);
    assert.deepEqual([state.calls, clock.pendingTimers], [0, 0]);
  });

  it('counts from the moment something is owed, not from the last byte', async () => {
    const { clock, state } = watch();
    state.isOwed = false;
    await clock.advance(1_000_000);
    state.isOwed = true;
    await clock.advance(7_900);
    assert.equal(state.calls, 0);
    await clock.advance(4_100);
    assert.equal(state.calls, 1);
  });
});

describe('a passive peer that says nothing any more', LIMIT, () => {
  /** Lets the time pass from the moment the peer has got its last message, until the replicator has stopped. */
  async function outcome(
    { replicator, raws }: Awaited<ReturnType<typeof againstRaw>>,
    clock: VirtualClock,
    last: string,
  ): Promise<HawserError | undefined> {
    replicator.start();
    while (raws.at(-1)?.requests.some(({ profile }) => profile === last) !== true) await setImmediate();
    const stopped = replicator.stopped();
    let isOver = false;
    void stopped.then(() => (isOver = true));
    while (!isOver) await clock.advance(1_000); // without a limit of its own: real files take their time meanwhile
    return stopped;
  }

  it('before its first answer is given up, and is tried again', async (context) => {
    const clock = new VirtualClock();
    const mute = { getCollections: () => undefined };
    const made = await againstRaw(context, mute, { clock, heartbeat: 4, maxAttempts: 3 });
    const { replicator, raws } = made;
    const seen: string[] = [];
    replicator.on('status', ({ activity, error }) => seen.push(`${activity} ${error?.code ?? ''}`.trim()));
    const error = await outcome(made, clock, 'getCollections');
    assert.deepEqual([error?.code, error?.domain, error?.number], ['REPLICATION_PEER_SILENT', 'Network', 5_003]);
    assert.equal(raws.length, 3);
    assert.equal(seen.filter((told) => told === 'offline REPLICATION_PEER_SILENT').length, 2);
  });

  for (const profile of ['subChanges', 'proposeChanges', 'rev', 'setCheckpoint']) {
    it(`in place of an answer to ${profile} is given up`, async (context) => {
      const clock = new VirtualClock();
      const made = await againstRaw(context, { [profile]: () => undefined }, { clock, heartbeat: 4 });
      await made.peer.metrics.save('d', {});
      assert.equal((await outcome(made, clock, profile))?.code, 'REPLICATION_PEER_SILENT');
    });
  }

  it('and leaves its feed without an end is given up', async (context) => {
    const clock = new VirtualClock();
    const made = await againstRaw(
      context,
      { subChanges: (request, raw) => raw.reply(request) },
      { clock, heartbeat: 4, type: 'pull' },
    );
    assert.equal((await outcome(made, clock, 'subChanges'))?.code, 'REPLICATION_PEER_SILENT');
  });

  it('and owes nothing may be silent for as long as it likes', async (context) => {
    const clock = new VirtualClock();
    const { replicator, raws } = await againstRaw(context, {}, { clock, heartbeat: 4, continuous: true });
    replicator.start();
    await replicator.whenIdle();
    await clock.advance(1_000_000);
    assert.deepEqual([replicator.status.activity, raws.length], ['idle', 1]);
  });
});

describe('an active peer that does not read', LIMIT, () => {
  it('is given up by the listener, and costs the others nothing', async (context) => {
    const clock = new VirtualClock();
    const peer = await openPeer(context, 'ours');
    await peer.metrics.save('d', { text: 'x' });
    const listener = new PeerListener({ collections: [peer.metrics], heartbeat: 4, clock });
    const ends: (string | undefined)[] = [];
    listener.on('connection', ({ activity, error }) => activity === 'stopped' && ends.push(error?.code));
    const connect = async (): Promise<RawBlipPeer> => {
      const pair = loopbackPair();
      const raw = new RawBlipPeer(pair.a); // answers no request
      listener.accept(pair.b);
      await raw.open();
      await getCollections(raw);
      return raw;
    };
    const [deaf, quiet] = [await connect(), await connect()];
    await deaf.request({ Profile: 'subChanges', collection: '0', continuous: 'true' });
    while (!deaf.requests.some(({ profile }) => profile === 'changes')) await setImmediate();
    await clock.advance(20_000);
    assert.deepEqual(ends, ['REPLICATION_PEER_SILENT']);
    assert.equal((await quiet.request({ Profile: 'isAnybodyThere' })).error, 'BLIP/404');
    await listener.stop();
    for (const raw of [deaf, quiet]) await raw.leave();
  });
});
