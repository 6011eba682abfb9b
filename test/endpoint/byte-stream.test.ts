/** The byte-stream layer against a peer that is only bytes, on a virtual clock: specification 1.6 and 1.7. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deferred, seededRandom } from '../../src/base/index.js';
import {
  byteStreamConnection,
  faulty,
  loopbackByteStreamPair,
  loopbackPair,
  MessagingError,
  type ByteStreamOptions,
  type MessageEndpointConnection,
} from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { RawEnd } from '../support/raw-end.js';
import { VirtualClock } from '../support/virtual-clock.js';

const MASK = '01020304';

interface Bench {
  readonly clock: VirtualClock;
  readonly connection: MessageEndpointConnection;
  readonly recorder: ConnectionRecorder;
  readonly peer: RawEnd;
  readonly cut: () => void;
}

/** An open byte-stream connection whose peer is bare bytes. */
async function bench(role: 'client' | 'server', options: Partial<ByteStreamOptions> = {}): Promise<Bench> {
  const clock = new VirtualClock();
  const { a, b, cut } = loopbackPair({ clock, highWaterMark: 0 });
  const random = { next: () => 0, bytes: () => new Uint8Array([1, 2, 3, 4]) };
  const connection = byteStreamConnection(a, { role, clock, random, ...options });
  const recorder = new ConnectionRecorder();
  const peer = new RawEnd(b);
  await Promise.all([recorder.open(connection), peer.open()]);
  return { clock, connection, recorder, peer, cut };
}

function received(recorder: ConnectionRecorder): string[] {
  return recorder.messages.map((message) => Buffer.from(message).toString('hex'));
}

function text(hexBytes: string): Uint8Array {
  return new Uint8Array(Buffer.from(hexBytes, 'hex'));
}

describe('byteStreamConnection: misuse', () => {
  test('refuses an unknown option by name', () => {
    const { a } = loopbackPair();
    const options = {
      role: 'client',
      clock: new VirtualClock(),
      random: { next: () => 0, bytes: () => text('') },
      heartbeat: 5,
    };
    assert.throws(() => byteStreamConnection(a, options as unknown as ByteStreamOptions), {
      code: 'OPTION_UNKNOWN',
      message: /heartbeat/,
    });
  });

  for (const options of [
    { heartbeatMs: -1 },
    { maxMessageSize: 0 },
    { maxBufferedBytes: 1.5 },
    { closeTimeoutMs: NaN },
  ]) {
    test(`refuses ${JSON.stringify(options)}`, async () => {
      await assert.rejects(bench('client', options), { code: 'ARGUMENT_INVALID' });
    });
  }

  test('refuses a role that is neither client nor server', async () => {
    await assert.rejects(bench('both' as 'client'), { code: 'ARGUMENT_INVALID' });
  });
});

describe('byteStreamConnection: frames', () => {
  test('masks as the client', async () => {
    const { connection, peer } = await bench('client');
    await connection.send(text('0201008def0293'));
    assert.deepEqual(peer.received, [`8287${MASK}${maskedHex('0201008def0293')}`]);
  });

  test('does not mask as the server', async () => {
    const { connection, peer } = await bench('server');
    await connection.send(text('0201008def0293'));
    assert.deepEqual(peer.received, ['82070201008def0293']);
  });

  test('sends nothing before the first message: there is no HTTP handshake', async () => {
    const { clock, peer } = await bench('client');
    await clock.advance(1_000);
    assert.deepEqual(peer.received, []);
  });

  test('takes text for binary and joins fragments', async () => {
    const { peer, recorder } = await bench('client');
    await peer.send('81 02 68 69 02 01 aa');
    await peer.send('00 01 bb 80 01 cc');
    assert.deepEqual(received(recorder), ['6869', 'aabbcc']);
  });

  test('refuses to send above the limit and receives up to it', async () => {
    const { connection, peer, recorder } = await bench('server', { maxMessageSize: 4 });
    await assert.rejects(connection.send(new Uint8Array(5)), { code: 'CONNECTION_MESSAGE_TOO_LARGE' });
    await peer.send(`82 84 ${MASK} 01020304`);
    assert.deepEqual(received(recorder), ['00000000']);
    assert.deepEqual(recorder.closes, []);
  });

  test('answers a ping with its payload', async () => {
    const { peer } = await bench('server');
    await peer.send(`89 82 ${MASK} ${maskedHex('cafe')}`);
    assert.deepEqual(peer.received, ['8a02cafe']);
  });

  test('answers only the latest of the pings that came while the peer did not read', async () => {
    const { connection, peer, clock } = await bench('client');
    const reading = deferred();
    peer.pause = reading.promise;
    const sent = connection.send(text('aa'));
    await clock.advance(0);
    for (const ping of ['01', '02', '03']) await peer.send(`89 01 ${ping}`);
    peer.pause = undefined;
    reading.resolve();
    await sent;
    await clock.advance(0);
    assert.deepEqual(peer.received, [`8281${MASK}${maskedHex('aa')}`, `8a81${MASK}${maskedHex('03')}`]);
  });

  test('hands over one frame at a time', async () => {
    const { connection, peer, clock } = await bench('server');
    const reading = deferred();
    peer.pause = reading.promise;
    const sends = [connection.send(text('01')), connection.send(text('02'))];
    await clock.advance(60_000);
    assert.deepEqual(peer.received, ['820101']);
    peer.pause = undefined;
    reading.resolve();
    await Promise.all(sends);
    assert.deepEqual(peer.received, ['820101', '820102']);
  });

  test('gives the medium back what it holds until the engine has taken the messages in it', async () => {
    const { peer, recorder, clock } = await bench('client');
    recorder.pause();
    let isTaken = false;
    const sending = peer.send('82 01 aa 82 01 bb 82 01 cc').then(() => (isTaken = true));
    await clock.advance(1_000);
    assert.deepEqual(received(recorder), ['aa']);
    assert.equal(isTaken, false);
    recorder.resume();
    await sending;
    assert.deepEqual(received(recorder), ['aa', 'bb', 'cc']);
  });

  test('ends with CONNECTION_BUFFER_FULL when the medium does not stop', async () => {
    const clock = new VirtualClock();
    const deaf = deafMedium();
    const random = { next: () => 0, bytes: () => text('01020304') };
    const connection = byteStreamConnection(deaf.connection, {
      role: 'client',
      clock,
      random,
      maxBufferedBytes: 1_000,
    });
    const recorder = new ConnectionRecorder();
    await recorder.open(connection);
    await clock.advance(0);
    recorder.pause();
    deaf.deliver('82 01 aa');
    deaf.deliver('82 01 bb');
    for (let count = 0; count < 20; count++) deaf.deliver('82 01 cc');
    const [error] = recorder.closes;
    assert.equal(error?.code, 'CONNECTION_BUFFER_FULL');
    assert.equal(error.recoverable, true);
    assert.deepEqual(received(recorder), ['aa']);
    const closed = connection.close();
    await clock.runUntil(closed);
    assert.equal(deaf.closes(), 1);
  });
});

describe('byteStreamConnection: close', () => {
  test('says 1000, waits for the answer and ends the stream', async () => {
    const { connection, peer, recorder, clock } = await bench('client');
    let isClosed = false;
    const closing = connection.close().then(() => (isClosed = true));
    await clock.advance(4_000);
    assert.deepEqual(peer.received, [`8882${MASK}${maskedHex('03e8')}`]);
    assert.equal(isClosed, false);
    assert.equal(peer.closes.length, 0);
    await peer.send('88 02 03 e8');
    await closing;
    assert.equal(peer.closes.length, 1);
    assert.deepEqual(recorder.closes, []);
    assert.equal(clock.pendingTimers, 0);
  });

  test('gives up after five seconds without an answer', async () => {
    const { connection, peer, clock } = await bench('client');
    const startedAt = clock.monotonic();
    await clock.runUntil(connection.close());
    assert.equal(clock.monotonic() - startedAt, 5_000);
    assert.equal(peer.closes.length, 1);
    assert.equal(clock.pendingTimers, 0);
  });

  test('sends the code and the text of an error', async () => {
    const { connection, peer, clock } = await bench('server');
    void connection.close(new MessagingError('CONNECTION_FAILED', 'x', { recoverable: false }));
    await clock.advance(0);
    assert.deepEqual(peer.received, ['88030fa278']);
  });

  test('writes the messages before it first', async () => {
    const { connection, peer, clock } = await bench('server');
    const sent = connection.send(text('aa'));
    void connection.close();
    await sent;
    await clock.advance(0);
    assert.deepEqual(peer.received, ['8201aa', '880203e8']);
  });

  test('reads on to the answer even if the engine has not taken a message', async () => {
    const { connection, peer, recorder, clock } = await bench('client');
    recorder.pause();
    void peer.send('82 01 aa 82 01 bb');
    await clock.advance(0);
    const closing = connection.close();
    await clock.advance(0);
    await peer.send('88 02 03 e8');
    const startedAt = clock.monotonic();
    await clock.runUntil(closing);
    assert.equal(clock.monotonic(), startedAt, 'it waited for the timeout');
    assert.deepEqual(received(recorder), ['aa']);
  });

  const codes: readonly (readonly [code: number, error: string, recoverable: boolean])[] = [
    [1000, 'CONNECTION_CLOSED_BY_PEER', true],
    [1001, 'CONNECTION_CLOSED_BY_PEER', true],
    [1013, 'CONNECTION_UNAVAILABLE', true],
    [4001, 'CONNECTION_INTERRUPTED', true],
    [4002, 'CONNECTION_FAILED', false],
    [1011, 'CONNECTION_PROTOCOL_ERROR', false],
  ];
  for (const [code, expected, recoverable] of codes) {
    test(`reports a peer's ${code} as ${expected}, and echoes it`, async () => {
      const { connection, peer, recorder, clock } = await bench('client');
      const hexCode = code.toString(16).padStart(4, '0');
      await peer.send(`88 06 ${hexCode} 67 6f 6e 65`);
      await clock.advance(0);
      const [error] = recorder.closes;
      assert.equal(error?.code, expected);
      assert.equal(error.recoverable, recoverable);
      assert.match(error.message, /gone/);
      assert.equal(recorder.closes.length, 1);
      assert.deepEqual(peer.received, [`8882${MASK}${maskedHex(hexCode)}`]);
      await connection.close();
      assert.equal(peer.closes.length, 1);
      await assert.rejects(connection.send(text('aa')), { code: 'CONNECTION_NOT_OPEN' });
      assert.equal(clock.pendingTimers, 0);
    });
  }

  test('echoes an empty close frame with an empty one', async () => {
    const { peer, recorder, clock } = await bench('server');
    await peer.send(`88 80 ${MASK}`);
    await clock.advance(0);
    assert.equal(recorder.closes[0]?.code, 'CONNECTION_CLOSED_BY_PEER');
    assert.deepEqual(peer.received, ['8800']);
  });

  test('delivers the messages before a close frame in the same chunk', async () => {
    const { peer, recorder, clock } = await bench('client');
    recorder.pause();
    void peer.send('82 01 aa 82 01 bb 88 02 0f a1');
    await clock.advance(0);
    assert.equal(recorder.closes.length, 0);
    recorder.resume();
    await clock.advance(0);
    assert.deepEqual(received(recorder), ['aa', 'bb']);
    assert.equal(recorder.closes[0]?.code, 'CONNECTION_INTERRUPTED');
  });

  test('answers a violation with its close code and ends the stream without waiting', async () => {
    const { peer, recorder, clock } = await bench('server');
    await peer.send('82 01 aa'); // a client has to mask
    await clock.advance(0);
    const [error] = recorder.closes;
    assert.equal(error?.code, 'CONNECTION_PROTOCOL_ERROR');
    assert.equal(error.recoverable, false);
    assert.equal(peer.received[0]?.slice(4, 8), '03ea');
    assert.equal(peer.closes.length, 1);
    assert.equal(clock.pendingTimers, 0);
  });

  test('answers a message above the limit with 1009', async () => {
    const { peer, recorder, clock } = await bench('client', { maxMessageSize: 100 });
    await peer.send('82 7e 01 00');
    await clock.advance(0);
    assert.equal(recorder.closes[0]?.code, 'CONNECTION_MESSAGE_TOO_LARGE');
    assert.equal(recorder.closes[0]?.recoverable, false);
    assert.equal(recorder.closes[0]?.closeCode, 1009);
    assert.equal(peer.closes.length, 1);
  });

  test('reports a stream that ends without a close frame as lost', async () => {
    const { peer, recorder, clock, connection } = await bench('client');
    await peer.send('82 05 aa');
    await peer.connection.close();
    await clock.advance(0);
    assert.equal(recorder.closes.length, 1);
    assert.equal(recorder.closes[0]?.recoverable, true);
    assert.deepEqual(received(recorder), []);
    await clock.runUntil(connection.close());
    assert.equal(clock.pendingTimers, 0);
  });

  test("passes on the medium's own error", async () => {
    const clock = new VirtualClock();
    const deaf = deafMedium();
    const random = { next: () => 0, bytes: () => text('01020304') };
    const connection = byteStreamConnection(deaf.connection, { role: 'client', clock, random });
    const recorder = new ConnectionRecorder();
    await recorder.open(connection);
    await clock.advance(0);
    const error = new MessagingError('CONNECTION_FAILED', 'the cable was pulled out', { recoverable: false });
    deaf.end(error);
    assert.deepEqual(recorder.closes, [error]);
    await connection.close();
    assert.equal(deaf.closes(), 1, 'the medium is acknowledged by closing it');
  });

  test('rejects open with the error of the medium', async () => {
    const error = new MessagingError('CONNECTION_REFUSED', 'no carrier', { recoverable: true });
    const deaf = deafMedium({ open: () => Promise.reject(error) });
    const random = { next: () => 0, bytes: () => text('01020304') };
    const connection = byteStreamConnection(deaf.connection, { role: 'client', clock: new VirtualClock(), random });
    const recorder = new ConnectionRecorder();
    await assert.rejects(recorder.open(connection), (thrown) => thrown === error);
    assert.deepEqual(recorder.closes, []);
    await connection.close();
    assert.equal(deaf.closes(), 1);
  });

  test('reports a medium that refuses to send as the end, as lost if it only says that it is not open', async () => {
    const notOpen = new MessagingError('CONNECTION_NOT_OPEN', 'closed', { recoverable: false });
    const deaf = deafMedium({ send: () => Promise.reject(notOpen) });
    const random = { next: () => 0, bytes: () => text('01020304') };
    const connection = byteStreamConnection(deaf.connection, { role: 'client', clock: new VirtualClock(), random });
    const recorder = new ConnectionRecorder();
    await recorder.open(connection);
    await assert.rejects(connection.send(text('aa')), { code: 'CONNECTION_LOST', recoverable: true });
    assert.deepEqual(
      recorder.closes.map((error) => error?.code),
      ['CONNECTION_LOST'],
    );
  });
});

describe('byteStreamConnection: a spoiled stream', () => {
  test('ends at most once at each end, leaves nothing behind and never throws (300 seeds)', async () => {
    let ended = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const clock = new VirtualClock();
      const random = seededRandom(seed);
      const { a, b } = loopbackByteStreamPair({ clock, random });
      const spoil = (inner: MessageEndpointConnection): MessageEndpointConnection =>
        faulty(inner, {
          clock,
          random,
          direction: 'receive',
          corrupt: 0.05,
          drop: 0.02,
          duplicate: 0.02,
          truncate: 0.02,
        });
      const near = byteStreamConnection(spoil(a), { role: 'client', clock, random });
      const far = byteStreamConnection(spoil(b), { role: 'server', clock, random });
      const [atNear, atFar] = [new ConnectionRecorder(), new ConnectionRecorder()];
      await Promise.all([atNear.open(near), atFar.open(far)]);
      const send = async (connection: MessageEndpointConnection): Promise<void> => {
        for (let count = 0; count < 20; count++) await connection.send(random.bytes(Math.floor(random.next() * 3_000)));
      };
      const sending = Promise.all(
        [send(near), send(far)].map((work) => work.catch((error: MessagingError) => error.code)),
      );
      await clock.runUntil(sending);
      await clock.runUntil(Promise.all([near.close(), far.close()]));
      assert.ok(atNear.closes.length <= 1 && atFar.closes.length <= 1, `seed ${seed}`);
      assert.equal(clock.pendingTimers, 0, `seed ${seed}`);
      ended += atNear.closes.length + atFar.closes.length;
    }
    assert.ok(ended > 100, `only ${ended} connections noticed`);
  });
});

describe('byteStreamConnection: heartbeat', () => {
  test('pings after 300 s of silence and gives up 20 s later', async () => {
    const { peer, recorder, clock, connection } = await bench('client');
    await clock.advance(299_999);
    assert.deepEqual(peer.received, []);
    await clock.advance(1);
    assert.deepEqual(peer.received, [`8980${MASK}`]);
    await clock.advance(19_999);
    assert.deepEqual(recorder.closes, []);
    await clock.advance(1);
    const error = await recorder.untilClosed();
    assert.equal(error?.code, 'CONNECTION_LOST');
    assert.equal(error.recoverable, true);
    await clock.runUntil(connection.close());
    assert.equal(clock.pendingTimers, 0);
  });

  test('leaves the peer a second less than a short heartbeat', async () => {
    const { recorder, clock } = await bench('client', { heartbeatMs: 5_000 });
    await clock.advance(8_999);
    assert.deepEqual(recorder.closes, []);
    await clock.advance(1);
    assert.equal(recorder.closes.length, 1);
  });

  test('counts any byte as a sign of life', async () => {
    const { peer, recorder, clock } = await bench('client', { heartbeatMs: 30_000 });
    for (let round = 0; round < 5; round++) {
      await clock.advance(45_000);
      await peer.send(round % 2 === 0 ? '8a 00' : '82'); // a pong, and the first byte of a message
      if (round % 2 === 1) await peer.send('01 aa');
    }
    assert.deepEqual(recorder.closes, []);
    assert.deepEqual(received(recorder), ['aa', 'aa']);
    assert.equal(peer.received.length, 5);
  });

  test('pings no peer that speaks', async () => {
    const { peer, clock } = await bench('client', { heartbeatMs: 30_000 });
    for (let round = 0; round < 20; round++) {
      await clock.advance(29_000);
      await peer.send('82 00');
    }
    assert.deepEqual(peer.received, []);
  });

  test('does not blame the peer while the engine keeps the medium waiting', async () => {
    const { peer, recorder, clock } = await bench('client', { heartbeatMs: 30_000 });
    recorder.pause();
    void peer.send('82 01 aa');
    await clock.advance(1_000_000);
    assert.deepEqual(recorder.closes, []);
    recorder.resume();
    await clock.advance(50_001);
    assert.equal((await recorder.untilClosed())?.code, 'CONNECTION_LOST');
  });

  test('is off with 0', async () => {
    const { peer, recorder, clock } = await bench('client', { heartbeatMs: 0 });
    await clock.advance(10_000_000);
    assert.deepEqual(recorder.closes, []);
    assert.deepEqual(peer.received, []);
    assert.equal(clock.pendingTimers, 0);
  });
});

/** XOR with the mask that the random source of this file gives. */
function maskedHex(plain: string): string {
  const bytes = Buffer.from(plain, 'hex');
  for (const [index, byte] of bytes.entries()) bytes[index] = byte ^ ((index & 3) + 1);
  return bytes.toString('hex');
}

/** A medium that is always open, swallows what is sent and delivers whatever it is told to, whether or not it may. */
function deafMedium(overrides: Partial<MessageEndpointConnection> = {}): {
  readonly connection: MessageEndpointConnection;
  deliver(hex: string): void;
  end(error?: MessagingError): void;
  closes(): number;
} {
  let target: Parameters<MessageEndpointConnection['open']>[0] | undefined;
  let closes = 0;
  const connection: MessageEndpointConnection = {
    open: (replicatorConnection) => {
      target = replicatorConnection;
      return Promise.resolve();
    },
    send: () => Promise.resolve(),
    close: () => {
      closes++;
      return Promise.resolve();
    },
    ...overrides,
  };
  return {
    connection,
    deliver: (hexBytes) => void target?.receive(text(hexBytes.replaceAll(' ', ''))),
    end: (error) => target?.close(error),
    closes: () => closes,
  };
}
