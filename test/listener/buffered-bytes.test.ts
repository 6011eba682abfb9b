/** Many peers, each below its own limits, do not fill the memory of a listener: the one that holds most has to go. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { deferred, loopbackPair, MessageEndpointListener, type HawserError } from '../../src/index.js';
import { BlipForger } from '../hostile/blip-forger.js';
import { connectRaw, getCollections } from '../support/hostile.js';
import { openPeer } from '../support/peers.js';

const MIB = 1024 * 1024;

/** A peer that begins a message of so many bytes and never ends it. */
async function hog(listener: MessageEndpointListener, bytes: number) {
  const { a, b } = loopbackPair();
  const ended = deferred<HawserError | undefined>();
  listener.accept(b);
  await a.open({ receive: () => undefined, close: (error) => ended.resolve(error) });
  const forger = new BlipForger();
  const hold = async (more: number): Promise<void> => {
    for (let left = more; left > 0; left -= MIB / 2) {
      await a.send(forger.frame({ payload: Buffer.alloc(Math.min(left, MIB / 2)), more: true }));
    }
  };
  await hold(bytes);
  return { connection: a, ended: ended.promise, hold };
}

function listenerOf(context: TestContext, peer: Awaited<ReturnType<typeof openPeer>>) {
  const limits = { maxTotalBufferedBytes: 8 * MIB };
  const listener = new MessageEndpointListener({ collections: [peer.metrics], protocolType: 'messageStream', limits });
  context.after(() => listener.closeAll());
  const reasons: (string | undefined)[] = [];
  const stopped = deferred();
  listener.on('connection', ({ activity, error }) => {
    if (activity !== 'stopped') return;
    reasons.push(error?.code);
    stopped.resolve();
  });
  return { listener, reasons, stopped: stopped.promise };
}

test('peers together hold no more than maxTotalBufferedBytes', async (context) => {
  const peer = await openPeer(context, 'ours');
  const { listener, reasons, stopped } = listenerOf(context, peer);
  const honest = await connectRaw(context, listener);
  await getCollections(honest);
  const small = await hog(listener, MIB);
  const large = await hog(listener, 5 * MIB);
  assert.equal(listener.status.connectionCount, 3);
  await small.hold(3 * MIB); // 9 MiB together
  await Promise.all([large.ended, stopped]);
  assert.deepEqual(reasons, ['BLIP_BUFFER_FULL']);
  assert.equal(listener.status.connectionCount, 2);
  assert.equal((await honest.request({ Profile: 'isAnybodyThere' })).error, 'BLIP/404');
  await small.connection.close();
});

test('what a peer gives back, and what one leaves behind, is free again', async (context) => {
  const peer = await openPeer(context, 'ours');
  const { listener, reasons } = listenerOf(context, peer);
  for (let round = 0; round < 5; round++) {
    const { connection } = await hog(listener, 6 * MIB);
    await connection.close();
  }
  assert.deepEqual(new Set(reasons), new Set([undefined]));
  const honest = await connectRaw(context, listener);
  await getCollections(honest);
  for (let round = 0; round < 5; round++) {
    const { error } = await honest.request({ Profile: 'unknown' }, 'x'.repeat(6 * MIB));
    assert.equal(error, 'BLIP/404');
  }
});
