/** What the profile of a database changes on the wire, and that explicit options go before it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred, LoopbackEndpoint, loopbackPair, systemClock, type ProfileName } from '../../src/index.js';
import { checkCompression } from '../../src/blip/index.js';
import { PassiveSession } from '../../src/replicator/passive-session.js';
import { configure } from '../../src/replicator/replicator-options.js';
import { cleanup } from '../support/cleanup.js';
import { getCollections, polite } from '../support/hostile.js';
import { memoryLogger } from '../support/memory-logger.js';
import { openPeer } from '../support/peers.js';
import { RawBlipPeer, type RawRequest } from '../support/raw-blip-peer.js';
import { endOfFeed, pullFromRaw } from '../support/raw-pull.js';

const FIGURES = {
  default: { feedPage: 200, inFlight: 400, windowBits: 15 },
  small: { feedPage: 100, inFlight: 100, windowBits: 13 },
};

for (const profile of ['default', 'small'] as readonly ProfileName[]) {
  const { feedPage, inFlight, windowBits } = FIGURES[profile];
  describe(`with the profile ${profile}`, { timeout: 20_000 }, () => {
    it(`a puller asks for lists of ${feedPage}`, async (context) => {
      const asked = deferred<RawRequest>();
      const pull = await pullFromRaw(context, endOfFeed, {
        peer: await openPeer(context, 'ours', { profile }),
        handlers: {
          ...polite,
          subChanges: (request, raw) => {
            asked.resolve(request);
            raw.reply(request);
            endOfFeed(raw);
          },
        },
      });
      assert.equal((await asked.promise).properties['batch'], String(feedPage));
      assert.equal(await pull.ended, undefined);
    });

    it(`no more than ${inFlight} revisions wait for their answer`, async (context) => {
      const peer = await openPeer(context, 'ours', { profile });
      const count = 700;
      await Promise.all(Array.from({ length: count }, (_, n) => peer.metrics.save(`doc-${n}`, { n })));
      const pair = loopbackPair();
      const session = new PassiveSession({
        connection: pair.b,
        collections: [peer.metrics as never],
        access: [{ collection: peer.metrics as never, push: true, pull: true }],
        enableDeltaSync: false,
        silenceMs: 60_000,
        clock: systemClock,
        logger: memoryLogger(),
      });
      const unanswered: RawRequest[] = [];
      let most = 0;
      let answered = 0;
      const isOver = deferred();
      const answerAll = (raw: RawBlipPeer): void => {
        for (const request of unanswered.splice(0)) {
          raw.reply(request);
          if (++answered === count) isOver.resolve();
        }
      };
      const raw = new RawBlipPeer(pair.a, (request, self) => {
        if (request.profile === 'changes') {
          const list = JSON.parse(request.text) as unknown[];
          if (list.length > 0) self.reply(request, JSON.stringify(list.map(() => [])));
          return;
        }
        unanswered.push(request);
        most = Math.max(most, unanswered.length);
        // The window is full, or this was the end: only then is anything answered.
        if (unanswered.length === inFlight || answered + unanswered.length === count) answerAll(self);
      });
      const ended = session.run();
      cleanup(context, async () => {
        await raw.leave();
        await ended;
      });
      await raw.open();
      await getCollections(raw);
      const reply = await raw.request({ Profile: 'subChanges', collection: '0' });
      assert.equal(reply.error, undefined);
      await isOver.promise;
      assert.equal(most, inFlight);
    });

    it(`a replicator compresses with a window of ${windowBits} bits, or with what it is told`, async (context) => {
      const { metrics } = await openPeer(context, 'ours', { profile });
      const target = new LoopbackEndpoint(() => undefined, 'theirs');
      assert.equal(configure({ collections: [metrics], target }).blip.windowBits, windowBits);
      for (const own of [9, 15]) {
        const { blip } = configure({ collections: [metrics], target, compression: { windowBits: own } });
        assert.equal(blip.windowBits, own);
      }
      const { blip } = configure({ collections: [metrics], target, compression: { level: 1 } });
      assert.deepEqual(blip, { compressionLevel: 1, windowBits });
      assert.deepEqual(blip, checkCompression('listener', { level: 1 }, metrics.database.replicationSizes));
    });
  });
}
