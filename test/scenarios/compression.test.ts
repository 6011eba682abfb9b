/** How hard to compress is a matter of each side, for what it sends itself. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  type CompressionOptions,
  type Message,
} from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, openPeer } from '../support/peers.js';

/** Bytes of messages each way while one side pushes 200 documents and pulls 200 others. */
async function traffic(
  context: Parameters<typeof openPeer>[0],
  active?: CompressionOptions,
  passive?: CompressionOptions,
): Promise<{ readonly sent: number; readonly received: number }> {
  const [a, b] = [await openPeer(context, 'a'), await openPeer(context, 'b')];
  const body = { path: 'propulsion.port.oilPressure', source: 'can0.16', unit: 'Pa', quality: 'measured' };
  for (let index = 0; index < 200; index++) {
    await a.metrics.save(`a${index}`, { ...body, index });
    await b.metrics.save(`b${index}`, { ...body, index });
  }
  const bytes = { sent: 0, received: 0 };
  const counted = (connection: ReturnType<typeof loopbackPair>['a'], way: keyof typeof bytes) => {
    const send = connection.send.bind(connection);
    connection.send = (message: Message) => {
      bytes[way] += message.length;
      return send(message);
    };
    return connection;
  };
  const listener = new MessageEndpointListener({
    protocolType: 'messageStream',
    collections: [b.metrics],
    ...(passive === undefined ? {} : { compression: passive }),
  });
  const target = new MessageEndpoint('b', undefined, 'messageStream', {
    createConnection: () => {
      const pair = loopbackPair();
      listener.accept(counted(pair.b, 'received'));
      return counted(pair.a, 'sent');
    },
  });
  const replicator = new Replicator({
    collections: [a.metrics],
    target,
    ...(active === undefined ? {} : { compression: active }),
  });
  cleanup(context, () => replicator.stop());
  replicator.start();
  assert.equal(await replicator.stopped(), undefined);
  assert.equal(await b.metrics.count(), 400);
  assert.deepEqual(await contents(b.metrics), await contents(a.metrics));
  return bytes;
}

describe('compression', () => {
  it('is on by default, and can be left out or be cheaper on either side', async (context) => {
    const standard = await traffic(context);
    const plain = await traffic(context, { level: 0 });
    assert.ok(plain.sent > 3 * standard.sent, `${plain.sent} instead of ${standard.sent}`);
    assert.ok(plain.received < 1.5 * standard.received, 'the listener was not told to');
    const plainListener = await traffic(context, undefined, { level: 0 });
    assert.ok(plainListener.received > 3 * standard.received, `${plainListener.received}, not ${standard.received}`);
    const small = await traffic(context, { level: 1, windowBits: 9 }, { level: 1, windowBits: 9 });
    assert.ok(small.sent > standard.sent && small.sent < plain.sent, `${small.sent} is not between`);
  });
});
