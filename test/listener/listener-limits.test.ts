/** The limits of a listener: which numbers they take, and what becomes of a peer that passes one. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { loopbackPair, PeerListener, type HawserError, type ListenerLimits } from '../../src/index.js';
import { checkLimits } from '../../src/listener/listener-limits.js';
import { openPeer } from '../support/peers.js';
import { RawBlipPeer } from '../support/raw-blip-peer.js';

const KIB = 1024;
const MAX_BYTES = 2 ** 31 - 1;

describe('a limit', () => {
  for (const [name, standard, least, most] of [
    ['maxConnections', 1_000, 1, Number.MAX_SAFE_INTEGER],
    ['maxConnectionsPerAddress', 100, 1, Number.MAX_SAFE_INTEGER],
    ['maxHandshakes', 128, 1, Number.MAX_SAFE_INTEGER],
    ['maxHandshakesPerAddress', 32, 1, Number.MAX_SAFE_INTEGER],
    ['maxMessageSize', 32 * KIB * KIB, 16 * KIB, MAX_BYTES],
    ['maxPropertiesSize', 102_400, KIB, MAX_BYTES],
    ['maxOpenRequests', 1_000, 1, MAX_BYTES],
    ['maxInflatedSize', 17 * KIB * KIB, 16 * KIB, MAX_BYTES],
    ['maxBufferedBytes', 64 * KIB * KIB, 16 * KIB, MAX_BYTES],
  ] as const) {
    test(`${name} is ${standard} unless told otherwise, from ${least} on`, () => {
      assert.equal(checkLimits('listener')[name], standard);
      for (const value of [least, most]) assert.equal(checkLimits('listener', { [name]: value })[name], value);
      for (const value of [least - 1, most + 1, 1.5, '7', null, Number.NaN, -1]) {
        assert.throws(() => checkLimits('listener', { [name]: value as number }), {
          code: 'ARGUMENT_INVALID',
          message: new RegExp(`^listener: limits.${name} must be an integer from ${least} to ${most}`),
        });
      }
    });
  }

  for (const [name, standard] of [
    ['handshakeTimeout', 15],
    ['maxLoginDelay', 60],
  ] as const) {
    test(`${name} is ${standard} s unless told otherwise`, () => {
      assert.equal(checkLimits('listener')[name], standard);
      assert.equal(checkLimits('listener', { [name]: 0 })[name], standard);
      assert.equal(checkLimits('listener', { [name]: 0.5 })[name], 0.5);
      for (const value of [-1, Number.NaN, '7', 2_000_001]) {
        assert.throws(() => checkLimits('listener', { [name]: value as number }), { code: 'ARGUMENT_INVALID' });
      }
    });
  }

  test('that is not known is refused, and so is what holds none', () => {
    assert.throws(() => checkLimits('listener', { maxConections: 1 } as never), { code: 'OPTION_UNKNOWN' });
    assert.throws(() => checkLimits('listener', 7 as never), { code: 'ARGUMENT_INVALID' });
    assert.throws(() => checkLimits('listener', null as never), { code: 'ARGUMENT_INVALID' });
  });
});

/** A raw peer of a listener with these limits, and the code its connection ends with. */
async function peerOf(context: TestContext, limits: ListenerLimits) {
  const { metrics } = await openPeer(context, 'vessel');
  const listener = new PeerListener({ collections: [metrics], limits });
  const ended = new Promise<HawserError | undefined>((resolve) =>
    listener.on('connection', ({ activity, error }) => (activity === 'stopped' ? resolve(error) : undefined)),
  );
  const pair = loopbackPair();
  const raw = new RawBlipPeer(pair.a);
  listener.accept(pair.b);
  await raw.open();
  return { raw, ended };
}

describe('a peer that passes a limit', () => {
  test('on the size of messages is ended with its code; at the limit it is answered', async (context) => {
    const limits = { maxMessageSize: 16 * KIB };
    const properties = { Profile: 'nothing' };
    const bytes = '\u0010Profile\0nothing\0'.length; // with their own length
    const { raw } = await peerOf(context, limits);
    await raw.request(properties, 'x'.repeat(16 * KIB - bytes));
    await raw.leave();
    const { raw: other, ended } = await peerOf(context, limits);
    void other.request(properties, 'x'.repeat(16 * KIB - bytes + 1)).catch(() => undefined);
    assert.equal((await ended)?.code, 'BLIP_MESSAGE_TOO_LARGE');
  });

  test('on the size of properties is ended with its code', async (context) => {
    const { raw, ended } = await peerOf(context, { maxPropertiesSize: KIB });
    void raw.request({ Profile: 'x'.repeat(KIB) }, '').catch(() => undefined);
    assert.equal((await ended)?.code, 'BLIP_PROPERTIES_TOO_LARGE');
  });

  test('on what a frame inflates to is ended with its code', async (context) => {
    const { raw, ended } = await peerOf(context, { maxInflatedSize: 16 * KIB });
    const inflates = deflateRawSync(new Uint8Array(200 * KIB), { finishFlush: constants.Z_SYNC_FLUSH });
    await raw.sendFrame(Buffer.concat([Buffer.from([1, 0x08]), inflates.subarray(0, -4), Buffer.alloc(4)]));
    assert.equal((await ended)?.code, 'BLIP_INFLATED_TOO_LARGE');
  });

  test('on what is unfinished is ended with its code', async (context) => {
    const { raw, ended } = await peerOf(context, { maxBufferedBytes: 16 * KIB });
    void raw.request({ Profile: 'nothing' }, 'x'.repeat(200 * KIB));
    assert.equal((await ended)?.code, 'BLIP_BUFFER_FULL');
  });

  test('on how much is unfinished is ended with its code', async (context) => {
    const { raw, ended } = await peerOf(context, { maxOpenRequests: 1 });
    for (let count = 0; count < 2; count++) void raw.request({ Profile: 'nothing' }, 'x'.repeat(200 * KIB));
    assert.equal((await ended)?.code, 'BLIP_TOO_MANY_REQUESTS');
  });
});
