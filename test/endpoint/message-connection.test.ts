/** The optional base class, with a medium whose hooks a test settles by hand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { deferred, type Deferred } from '../../src/base/index.js';
import { HawserError } from '../../src/errors.js';
import { MessageConnection, MessagingError, type Message } from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

class HandMedium extends MessageConnection {
  readonly log: string[] = [];
  readonly opening = deferred();
  readonly goodbye = deferred();
  readonly sending: Deferred<void>[] = [];
  readonly virtualClock: VirtualClock;
  /** `sendMessage` returns nothing instead of waiting for the test. */
  takesAtOnce = false;

  constructor(clock = new VirtualClock()) {
    super({ clock, maxMessageSize: 10 });
    this.virtualClock = clock;
  }

  arrive(byte: number): void | Promise<void> {
    return this.deliver(Uint8Array.of(byte));
  }

  breakDown(error?: MessagingError): void {
    this.end(error);
  }

  giveUp(error: MessagingError): void {
    this.fail(error);
  }

  protected openMedium(): Promise<void> {
    this.log.push('open');
    return this.opening.promise;
  }

  protected sendMessage(message: Message): void | Promise<void> {
    this.log.push(`send ${message[0]}`);
    if (this.takesAtOnce) return;
    const sent = deferred();
    this.sending.push(sent);
    return sent.promise;
  }

  protected closeMedium(error: MessagingError | undefined): Promise<void> {
    this.log.push(`goodbye ${error?.code ?? 'orderly'}`);
    return this.goodbye.promise;
  }

  protected releaseMedium(error: MessagingError | undefined): void {
    this.log.push(`release ${error?.code ?? 'orderly'}`);
  }
}

async function opened(): Promise<{ medium: HandMedium; recorder: ConnectionRecorder }> {
  const medium = new HandMedium();
  const recorder = new ConnectionRecorder();
  medium.opening.resolve();
  await recorder.open(medium);
  await turn();
  medium.log.length = 0;
  return { medium, recorder };
}

const failure = new MessagingError('CONNECTION_FAILED', 'broken for good', { recoverable: false });

describe('MessageConnection', () => {
  test('releases a medium that was never opened, and refuses to open it then', async () => {
    const medium = new HandMedium();
    medium.goodbye.resolve();
    await medium.close();
    assert.deepEqual(medium.log, ['goodbye orderly', 'release orderly']);
    await assert.rejects(new ConnectionRecorder().open(medium), { code: 'CONNECTION_NOT_OPEN' });
  });

  test('opens with the reason when the medium broke before', async () => {
    const medium = new HandMedium();
    medium.breakDown(failure);
    assert.deepEqual(medium.log, ['release CONNECTION_FAILED']);
    await assert.rejects(new ConnectionRecorder().open(medium), (error) => error === failure);
  });

  for (const [thrown, code, recoverable] of [
    [failure, 'CONNECTION_FAILED', false],
    [new HawserError('CONNECTION_TIMEOUT', 'late'), 'CONNECTION_TIMEOUT', true],
    [new HawserError('AUTHENTICATION_FAILED', 'wrong'), 'AUTHENTICATION_FAILED', false],
    [new Error('EIO'), 'CONNECTION_INTERRUPTED', true],
    ['just text', 'CONNECTION_INTERRUPTED', true],
  ] as const) {
    test(`rejects open with a MessagingError when the medium fails with ${String(thrown)}`, async () => {
      const medium = new HandMedium();
      const recorder = new ConnectionRecorder();
      const opening = recorder.open(medium);
      medium.opening.reject(thrown);
      await assert.rejects(
        opening,
        (error) => error instanceof MessagingError && error.code === code && error.recoverable === recoverable,
      );
      await medium.close();
      assert.deepEqual(medium.log, ['open', `release ${code}`]);
      assert.deepEqual(recorder.closes, []);
    });
  }

  test('releases a medium that opens after it was closed', async () => {
    const medium = new HandMedium();
    medium.goodbye.resolve();
    const opening = new ConnectionRecorder().open(medium);
    const rejected = assert.rejects(opening, (error) => error === failure);
    await medium.close(failure);
    await rejected;
    medium.opening.resolve();
    await turn();
    assert.deepEqual(medium.log, ['open', 'goodbye CONNECTION_FAILED', 'release CONNECTION_FAILED']);
    await assert.rejects(medium.send(Uint8Array.of(1)), { code: 'CONNECTION_NOT_OPEN' });
  });

  test('holds what arrives early until open has resolved', async () => {
    const medium = new HandMedium();
    const recorder = new ConnectionRecorder();
    const opening = recorder.open(medium);
    void medium.arrive(1);
    medium.opening.resolve();
    await opening;
    await turn();
    assert.deepEqual([recorder.messages.length, recorder.tooEarly], [1, 0]);
  });

  test('hands over one message at a time, in order', async () => {
    const { medium } = await opened();
    const sends = [1, 2, 3].map((byte) => medium.send(Uint8Array.of(byte)));
    await turn();
    assert.deepEqual(medium.log, ['send 1']);
    medium.sending[0]?.resolve();
    await sends[0];
    await turn();
    assert.deepEqual(medium.log, ['send 1', 'send 2']);
    medium.takesAtOnce = true;
    medium.sending[1]?.resolve();
    await Promise.all(sends);
    assert.deepEqual(medium.log, ['send 1', 'send 2', 'send 3']);
  });

  test('flushes, says goodbye, then releases', async () => {
    const { medium, recorder } = await opened();
    const sends = [1, 2].map((byte) => medium.send(Uint8Array.of(byte)));
    const closing = medium.close();
    await assert.rejects(medium.send(Uint8Array.of(3)), { code: 'CONNECTION_NOT_OPEN' });
    for (const step of [0, 1]) {
      await turn();
      medium.sending[step]?.resolve();
    }
    await Promise.all(sends);
    await turn();
    assert.deepEqual(medium.log, ['send 1', 'send 2', 'goodbye orderly']);
    medium.goodbye.resolve();
    await closing;
    assert.deepEqual(medium.log.slice(3), ['release orderly']);
    assert.equal(medium.virtualClock.pendingTimers, 0);
    assert.deepEqual(recorder.closes, []);
  });

  test('with an error drops the queue at once', async () => {
    const { medium } = await opened();
    const sends = [1, 2].map((byte) =>
      assert.rejects(medium.send(Uint8Array.of(byte)), { code: 'CONNECTION_NOT_OPEN' }),
    );
    medium.goodbye.resolve();
    await medium.close(failure);
    await Promise.all(sends);
    assert.deepEqual(medium.log, ['send 1', 'goodbye CONNECTION_FAILED', 'release CONNECTION_FAILED']);
  });

  test('gives up flush and goodbye together after five seconds', async () => {
    const { medium } = await opened();
    const send = assert.rejects(medium.send(Uint8Array.of(1)), { code: 'CONNECTION_NOT_OPEN' });
    await medium.virtualClock.runUntil(medium.close());
    await send;
    assert.equal(medium.virtualClock.monotonic(), 5_000);
    assert.deepEqual(medium.log, ['send 1', 'release orderly']);
  });

  test('stops saying goodbye when the medium ends meanwhile', async () => {
    const { medium, recorder } = await opened();
    const closing = medium.close();
    await turn();
    medium.breakDown(failure);
    await closing;
    assert.deepEqual(medium.log, ['goodbye orderly', 'release orderly']);
    assert.equal(medium.virtualClock.pendingTimers, 0);
    assert.deepEqual(recorder.closes, []);
  });

  test('reports a broken medium once, rejects what was queued and says no goodbye', async () => {
    const { medium, recorder } = await opened();
    const sends = [1, 2].map((byte) => assert.rejects(medium.send(Uint8Array.of(byte)), (error) => error === failure));
    medium.breakDown(failure);
    medium.breakDown();
    await Promise.all(sends);
    await medium.close();
    assert.deepEqual(recorder.closes, [failure]);
    assert.deepEqual(medium.log, ['send 1', 'release CONNECTION_FAILED']);
  });

  test('reports its own reason to end and tells the peer, within five seconds', async () => {
    const { medium, recorder } = await opened();
    medium.giveUp(failure);
    assert.deepEqual(recorder.closes, [failure]);
    await medium.virtualClock.runUntil(medium.close());
    assert.deepEqual(medium.log, ['goodbye CONNECTION_FAILED', 'release CONNECTION_FAILED']);
    assert.equal(medium.virtualClock.monotonic(), 5_000);
  });

  test('takes a failed send for the end', async () => {
    const { medium, recorder } = await opened();
    const sends = [1, 2].map((byte) =>
      assert.rejects(medium.send(Uint8Array.of(byte)), { code: 'CONNECTION_INTERRUPTED' }),
    );
    medium.sending[0]?.reject(new Error('EPIPE'));
    await Promise.all(sends);
    assert.deepEqual(
      recorder.closes.map((error) => error?.code),
      ['CONNECTION_INTERRUPTED'],
    );
    await medium.close();
    assert.deepEqual(medium.log, ['send 1', 'release CONNECTION_INTERRUPTED']);
  });

  test('closes once, whatever hooks throw', async () => {
    const { medium } = await opened();
    medium.goodbye.reject(new Error('no'));
    const closing = medium.close();
    assert.equal(medium.close(failure), closing);
    await closing;
    assert.deepEqual(medium.log, ['goodbye orderly', 'release orderly']);
  });
});
