/** Replication over serial lines with a pace, noise, and times in which nothing gets through: all documents are equal in the end. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { deferred, seededRandom } from '../../src/index.js';
import type { SerialLine, SerialLineErrors } from '../conformance/serial-line/index.js';
import { openPeer, type Peer } from '../support/peers.js';
import { pathsOf, serialLine, withoutSerialLine } from './port-user.js';
import { saveAll, TestListener, TestReplicator, untilEqual } from './serial-peers.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);
/** They wait for the line most of the time. */
const usual = { timeout: 120_000, skip: withoutSerialLine, concurrency: 4 };
const DOCUMENTS = 6;

interface Meeting {
  readonly line: SerialLine;
  readonly near: Peer;
  readonly far: Peer;
  readonly listener: TestListener;
  readonly replicator: TestReplicator;
  /** Both have the same documents: those of both, and one that both had saved. */
  readonly equal: () => Promise<void>;
}

/** Both sides have documents of their own, and of one that they know each has another revision. Nothing is started. */
async function meeting(context: TestContext, baudRate: number, errors: SerialLineErrors = {}): Promise<Meeting> {
  const line = await serialLine(context, { baudRate, seed: SEED, ...errors });
  const [farPath, nearPath] = pathsOf(line);
  const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'bridge')];
  for (const peer of [near, far]) {
    await saveAll(peer, DOCUMENTS);
    await peer.metrics.save('both', { rpm: 1, by: peer.name });
  }
  const listener = await TestListener.start(context, far, { path: farPath, baudRate });
  const replicator = new TestReplicator(context, near, { path: nearPath, baudRate });
  return { line, near, far, listener, replicator, equal: () => untilEqual([near, far], 2 * DOCUMENTS + 1) };
}

for (const baudRate of [9_600, 115_200]) {
  describe(`replication over a line of ${baudRate} baud, seed ${SEED}`, usual, () => {
    const noises: readonly (readonly [title: string, errors: SerialLineErrors])[] = [
      ['a clean line', {}],
      ['one flipped bit in 10,000', { bitErrorRate: 1e-4 }],
      ['one lost byte in 10,000', { dropRate: 1e-4 }],
      ['one made-up byte in 10,000', { insertRate: 1e-4 }],
      ['all of that', { bitErrorRate: 1e-4, dropRate: 1e-4, insertRate: 1e-4 }],
    ];
    for (const [title, errors] of noises) {
      it(`is complete with ${title}, both ways and with a conflict`, async (context) => {
        const { replicator, listener, equal } = await meeting(context, baudRate, errors);
        replicator.start();
        await equal();
        await replicator.whenIdle();
        assert.equal(replicator.outages, 0, replicator.told.join());
        assert.deepEqual(listener.errorCodes, []);
      });
    }

    it('is complete with noise before the opening and whenever somebody has spoken', async (context) => {
      const { line, replicator, listener, equal, far } = await meeting(context, baudRate);
      const random = seededRandom(SEED);
      const burst = (): void => {
        for (const end of [0, 1]) line.noise(end, random.bytes(1 + Math.floor(random.next() * 40)));
      };
      for (let count = 0; count < 50; count++) burst();
      replicator.on('status', burst);
      replicator.on('documents', burst);
      listener.on('connection', burst);
      far.metrics.on('change', burst);
      replicator.start();
      await equal();
      await replicator.whenIdle();
      assert.equal(replicator.outages, 0, replicator.told.join());
    });

    it('goes on after a silence in which packets went out in vain, on the same connection', async (context) => {
      const { line, replicator, listener, near, far, equal } = await meeting(context, baudRate);
      const begun = deferred();
      for (const { metrics } of [near, far]) metrics.on('change', () => begun.resolve());
      replicator.start();
      await begun.promise;
      line.mute();
      // Until packets have gone out in vain, and again.
      while (line.statistics.mutedBytes < 500) await delay(20);
      line.unmute();
      await equal();
      await replicator.whenIdle();
      assert.ok(line.statistics.mutedBytes > 0);
      assert.equal(replicator.outages, 0, replicator.told.join());
      assert.equal(listener.status.connectionCount, 1);
    });
  });
}

describe('a line', usual, () => {
  it('is shared by what is said in both directions, and a slow reader slows the writer', async (context) => {
    const { replicator, near, far } = await meeting(context, 115_200);
    const text = seededRandom(SEED).bytes(15_000);
    await near.metrics.save('large of near', { text: Buffer.from(text).toString('base64') });
    await far.metrics.save('large of far', { text: Buffer.from(text).toString('base64url') });
    replicator.start();
    await untilEqual([near, far], 2 * DOCUMENTS + 3);
    await replicator.whenIdle();
    assert.equal(replicator.outages, 0);
  });

  it('may be left to others for a part: maxBytesPerSecond', async (context) => {
    const line = await serialLine(context, { baudRate: 115_200 });
    const [farPath, nearPath] = pathsOf(line);
    const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'bridge')];
    await TestListener.start(context, far, { path: farPath, baudRate: 115_200 });
    const slow = { path: nearPath, baudRate: 115_200, maxBytesPerSecond: 1_000 };
    const replicator = TestReplicator.start(context, near, slow);
    await replicator.connected();
    const before = { sent: line.ends[1]?.sentBytes ?? 0, at: performance.now() };
    const noise = seededRandom(SEED).bytes(2_000);
    await near.metrics.save('large', { text: Buffer.from(noise).toString('base64') });
    await untilEqual([near, far], 1);
    const sent = (line.ends[1]?.sentBytes ?? 0) - before.sent;
    const seconds = (performance.now() - before.at) / 1_000;
    assert.ok(sent > 2_000 && sent / seconds < 1_100, `${sent} bytes in ${seconds} s`);
  });

  it('carries packets of the size that one end asks for, also where the other has another default', async (context) => {
    const line = await serialLine(context, { baudRate: 115_200, bitErrorRate: 1e-4, seed: SEED });
    const [farPath, nearPath] = pathsOf(line);
    const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'bridge')];
    await Promise.all([saveAll(near, DOCUMENTS), saveAll(far, DOCUMENTS)]);
    const port = { baudRate: 115_200 };
    await TestListener.start(context, far, { ...port, path: farPath, maxPacketSize: 32 });
    const replicator = TestReplicator.start(context, near, { ...port, path: nearPath, maxPacketSize: 4_096 });
    await untilEqual([near, far], 2 * DOCUMENTS);
    assert.equal(replicator.outages, 0);
  });

  it('begins anew where nothing got through for longer than 20 s', { timeout: 120_000 }, async (context) => {
    const { line, replicator, listener, near, far } = await meeting(context, 115_200);
    replicator.start();
    await replicator.connected();
    line.mute();
    await saveAll(near, 1, 100);
    await saveAll(far, 1, 100);
    await Promise.all([replicator.tells(/^offline CONNECTION_LOST/), listener.nobody()]);
    line.unmute();
    await untilEqual([near, far], 2 * DOCUMENTS + 3);
  });
});
