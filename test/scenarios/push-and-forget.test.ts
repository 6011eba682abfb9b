/**
 * A device that pushes and forgets: what it has pushed and purged must not come back to it, but for the little that the last
 * connection left open. On real databases.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred, type MessageEndpointConnection } from '../../src/index.js';
import { MAX_UNTOLD_ECHOES } from '../../src/replicator/tuning.js';
import { link, openPeer, whenChanged } from '../support/peers.js';
import { WireWatch, type WireMessage } from '../support/wire-watch.js';

const LIMIT = { timeout: 120_000 };
const DOCUMENTS = 5 * MAX_UNTOLD_ECHOES;

/** Lists that the passive peer announced. */
function announced({ messages }: WireWatch, connection: number): WireMessage[] {
  return messages.filter(
    (message) =>
      message.connection === connection &&
      !message.isOurs &&
      message.kind === 'request' &&
      message.profile === 'changes' &&
      message.text !== '[]',
  );
}

/** Calls `look` after each message that arrives. */
function watched(connection: MessageEndpointConnection, look: () => void): MessageEndpointConnection {
  return {
    open: (engine) =>
      connection.open({
        receive: (message) => {
          const taken = engine.receive(message);
          look();
          return taken;
        },
        close: (error) => engine.close(error),
      }),
    send: (message) => connection.send(message),
    close: (error) => connection.close(error),
  };
}

describe('push and forget', LIMIT, () => {
  for (const enableRevisionBatches of [true, false]) {
    const how = enableRevisionBatches ? 'in batches' : 'one by one';

    it(`what was pushed ${how} and purged does not come back on the next connection`, async (context) => {
      const [device, bridge] = [await openPeer(context, 'device'), await openPeer(context, 'bridge')];
      const watch = new WireWatch();
      const told = deferred();
      const { replicator } = link(device, bridge, {
        continuous: true,
        enableRevisionBatches,
        around: (connection) =>
          watched(watch.around(connection), () => {
            if (announced(watch, 1).length >= 3) told.resolve();
          }),
      });
      let returned = 0;
      replicator.on('documents', ({ isPush, documents }) => (returned += isPush ? 0 : documents.length));
      replicator.start();
      await replicator.whenIdle();
      const ids = Array.from({ length: DOCUMENTS }, (_, index) => `reading-${index}`);
      await Promise.all(ids.map((id) => device.metrics.save(id, { rpm: 1_200 })));
      await whenChanged(bridge.metrics, async () => (await bridge.metrics.count()) === DOCUMENTS);
      await told.promise;
      await replicator.whenIdle(); // and the announcements are taken in
      assert.ok(
        announced(watch, 1).every(({ text }) => (JSON.parse(text) as unknown[]).length === 1),
        'of its own documents the device is told one in so many',
      );
      assert.ok(announced(watch, 1).length <= DOCUMENTS / MAX_UNTOLD_ECHOES);
      await replicator.stop();

      await Promise.all(ids.map((id) => device.metrics.purge(id)));
      replicator.start();
      await replicator.whenIdle();
      // Three announcements passed at least so many.
      assert.ok(returned <= DOCUMENTS - 3 * MAX_UNTOLD_ECHOES, `${returned} documents came back`);
      assert.equal(await device.metrics.count(), returned);
      await replicator.stop();
    });
  }

  it('does not bring back what is purged as soon as it was pushed', async (context) => {
    const [device, bridge] = [await openPeer(context, 'device'), await openPeer(context, 'bridge')];
    const { replicator } = link(device, bridge, { continuous: true });
    let returned = 0;
    const purged: Promise<unknown>[] = [];
    replicator.on('documents', ({ isPush, documents }) => {
      if (isPush) purged.push(...documents.map(({ id }) => device.metrics.purge(id)));
      else returned += documents.length;
    });
    replicator.start();
    await replicator.whenIdle();
    for (let sent = 0; sent < DOCUMENTS;) {
      const ids = Array.from({ length: MAX_UNTOLD_ECHOES / 2 }, () => `reading-${sent++}`);
      await Promise.all(ids.map((id) => device.metrics.save(id, { rpm: 1_200 })));
      await whenChanged(bridge.metrics, async () => (await bridge.metrics.count()) === sent);
      await whenChanged(device.metrics, async () => (await device.metrics.count()) === 0);
    }
    await replicator.whenIdle();
    await Promise.all(purged);
    assert.equal(returned, 0);
    assert.equal(await device.metrics.count(), 0);
    await replicator.stop();
  });
});
