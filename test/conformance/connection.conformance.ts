/**
 * What every MessageEndpointConnection must do, as one function that registers tests with `node:test`. A transport's test
 * is the setup only. The suite knows no medium: what a medium cannot do is declared by leaving a hook out, and shows up as
 * a skipped case. It waits for events; wall time is spent only to see that something does *not* happen.
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import type { MessageEndpointConnection } from '../../src/index.js';
import { ConnectionRecorder } from './connection-recorder.js';
import type { ConnectionPair, ConnectionSetup, LinkEnd } from './connection-setup.js';
import {
  additional,
  assertMessagingError,
  assertRejects,
  assertSame,
  closeBoth,
  closeUnopened,
  firstOf,
  openBoth,
  pattern,
  permanentError,
  PIECE,
  quiet,
  recoverableError,
  sendAll,
  sendUntilBlocked,
  type End,
} from './connection-steps.js';

export interface ConformanceOptions {
  /** How long one case may take, in milliseconds. @default 60,000 */
  readonly timeoutMs?: number;
  /** How long a case waits for something expected before it fails, in milliseconds. @default 15,000 */
  readonly patienceMs?: number;
  /** How long a `send` must be pending to count as held back, in milliseconds of wall time. @default 100 */
  readonly stallMs?: number;
}

/** Registers the suite under `name`. */
export function connectionConformance(
  name: string,
  makeSetup: () => ConnectionSetup | Promise<ConnectionSetup>,
  options: ConformanceOptions = {},
): void {
  const { timeoutMs = 60_000, patienceMs = 15_000, stallMs = 100 } = options;
  const makeRecorder = (): ConnectionRecorder => new ConnectionRecorder(patienceMs);

  /** A case on a fresh setup, which is taken down whatever happens. */
  const check = (title: string, run: (setup: ConnectionSetup, context: TestContext) => Promise<void>): void => {
    test(title, { timeout: timeoutMs }, async (context) => {
      const setup = await makeSetup();
      try {
        await run(setup, context);
      } finally {
        await setup.teardown?.();
      }
      if (setup.leftovers !== undefined) assert.deepEqual(setup.leftovers(), [], 'something is left behind');
    });
  };

  /** A case on an open link, once in each direction. Afterwards both ends are closed and the reports counted. */
  const checkBothWays = (
    title: string,
    run: (
      ends: { from: End; to: End; names: { from: LinkEnd; to: LinkEnd }; pair: ConnectionPair },
      setup: ConnectionSetup,
      context: TestContext,
    ) => Promise<void>,
  ): void => {
    for (const names of DIRECTIONS) {
      check(`${title} (${names.from} to ${names.to})`, async (setup, context) => {
        const pair = await setup.connect();
        const link = await openBoth(pair, makeRecorder);
        await run({ from: link[names.from], to: link[names.to], names, pair }, setup, context);
        await closeBoth(link);
      });
    }
  };

  describe(`connection conformance: ${name}`, () => {
    // Misuse

    checkBothWays('rejects a message after close with CONNECTION_NOT_OPEN', async ({ from }) => {
      await from.connection.close();
      await assertRejects(from.connection.send(pattern(10)), 'CONNECTION_NOT_OPEN');
    });

    check('rejects a message before open with CONNECTION_NOT_OPEN', async (setup) => {
      const pair = await setup.connect();
      await assertRejects(pair.near.send(pattern(10)), 'CONNECTION_NOT_OPEN');
      await closeUnopened(pair);
    });

    checkBothWays('rejects a message one byte above the limit and carries on', async ({ from, to }, setup, context) => {
      if (setup.maxMessageSize > LARGEST_TESTED) return context.skip('the limit is too high to be tested');
      await assertRejects(from.connection.send(pattern(setup.maxMessageSize + 1)), 'CONNECTION_MESSAGE_TOO_LARGE');
      await from.connection.send(pattern(100));
      await to.recorder.untilMessages(1);
      assertSame(to.recorder.messages, [pattern(100)]);
      assert.deepEqual(to.recorder.closes, []);
    });

    check('closes without having been opened, and cannot be opened then', async (setup) => {
      const pair = await setup.connect();
      await pair.near.close();
      const recorder = makeRecorder();
      await assertRejects(recorder.open(pair.near));
      await closeUnopened(pair);
      assert.deepEqual(recorder.closes, [], 'a failed open is reported by its promise only');
    });

    // Opening

    check('opens, and is quiet until somebody speaks', async (setup) => {
      const link = await openBoth(await setup.connect(), makeRecorder);
      for (const { recorder } of Object.values(link)) {
        assert.deepEqual(recorder.messages, []);
        assert.deepEqual(recorder.closes, []);
      }
      await closeBoth(link);
    });

    check('delivers nothing before open has resolved', async (setup) => {
      const pair = await setup.connect();
      const near = makeRecorder();
      const far = makeRecorder();
      // Each end speaks as soon as it can, whatever the other is at.
      const speakOnce = async (recorder: ConnectionRecorder, connection: MessageEndpointConnection): Promise<void> => {
        await recorder.open(connection);
        await connection.send(pattern(50));
      };
      const nearSpoke = speakOnce(near, pair.near);
      const farEnd = await firstOf(pair.far, nearSpoke);
      await Promise.all([nearSpoke, speakOnce(far, farEnd)]);
      await Promise.all([near.untilMessages(1), far.untilMessages(1)]);
      await closeBoth({ near: { connection: pair.near, recorder: near }, far: { connection: farEnd, recorder: far } });
    });

    check('rejects open when it is refused, and reports it nowhere else', async (setup, context) => {
      if (setup.refuse === undefined) return context.skip('this medium refuses nobody');
      const connection = await setup.refuse();
      const recorder = makeRecorder();
      await assertRejects(recorder.open(connection));
      await assertRejects(connection.send(pattern(1)));
      await connection.close();
      await quiet();
      assert.deepEqual(recorder.closes, []);
    });

    check('rejects a pending open when the active end is closed', async (setup) => {
      const pair = await setup.connect();
      const recorder = makeRecorder();
      const opening = recorder.open(pair.near);
      const closing = pair.near.close();
      await assertRejects(opening);
      await closing;
      await closeUnopened(pair);
      assert.deepEqual(recorder.closes, []);
    });

    check('rejects a pending open when the passive end is closed, and the active end learns of it', async (setup) => {
      const pair = await setup.connect();
      const near = makeRecorder();
      const far = makeRecorder();
      const nearOpening = near.open(pair.near);
      const farEnd = await firstOf(pair.far, nearOpening);
      const farOpening = far.open(farEnd);
      const closing = farEnd.close();
      await assertRejects(farOpening);
      await closing;
      const opened = await nearOpening.then(
        () => true,
        (error: unknown) => {
          assertMessagingError(error);
          return false;
        },
      );
      if (opened) await near.untilClosed();
      await pair.near.close();
      await quiet();
      assert.equal(near.closes.length, opened ? 1 : 0);
      assert.deepEqual(far.closes, []);
    });

    // Messages

    for (const [what, size] of [
      ['an empty message', 0],
      ['a message of one byte', 1],
      ['a big message', BIG],
    ] as const) {
      checkBothWays(`carries ${what}`, async ({ from, to }) => {
        await from.connection.send(pattern(size));
        await to.recorder.untilMessages(1);
        assertSame(to.recorder.messages, [pattern(size)]);
      });
    }

    checkBothWays('carries the largest message allowed', async ({ from, to }, setup, context) => {
      assert.ok(setup.maxMessageSize >= BIG, `a connection must carry messages of ${BIG} bytes`);
      if (setup.maxMessageSize > LARGEST_TESTED) return context.skip('the limit is too high to be tested');
      await from.connection.send(pattern(setup.maxMessageSize));
      await to.recorder.untilMessages(1);
      assertSame(to.recorder.messages, [pattern(setup.maxMessageSize)]);
    });

    checkBothWays('carries a thousand small messages whole and in order', async ({ from, to }) => {
      const messages = Array.from({ length: 1000 }, (_, index) => pattern(index % 97, index));
      await sendAll(from.connection, messages);
      await to.recorder.untilMessages(messages.length);
      assertSame(to.recorder.messages, messages);
    });

    checkBothWays('carries only the message, not the memory it lies in', async ({ from, to }) => {
      const memory = pattern(300);
      await from.connection.send(memory.subarray(100, 200));
      await to.recorder.untilMessages(1);
      const [received] = to.recorder.messages;
      assertSame(to.recorder.messages, [pattern(300).subarray(100, 200)]);
      received?.fill(0);
      assertSame(
        [memory.subarray(0, 100), memory.subarray(200)],
        [pattern(300).subarray(0, 100), pattern(300).subarray(200)],
      );
    });

    check('carries messages both ways at once', async (setup) => {
      const link = await openBoth(await setup.connect(), makeRecorder);
      const fromNear = Array.from({ length: 200 }, (_, index) => pattern((index * 331) % 8000, index));
      const fromFar = Array.from({ length: 200 }, (_, index) => pattern((index * 577) % 8000, index + 7));
      await Promise.all([sendAll(link.near.connection, fromNear), sendAll(link.far.connection, fromFar)]);
      await Promise.all([
        link.far.recorder.untilMessages(fromNear.length),
        link.near.recorder.untilMessages(fromFar.length),
      ]);
      assertSame(link.far.recorder.messages, fromNear);
      assertSame(link.near.recorder.messages, fromFar);
      await closeBoth(link);
    });

    check('keeps two links apart', async (setup, context) => {
      if (setup.manyLinks === false) return context.skip('this medium carries one link');
      const first = await openBoth(await setup.connect(), makeRecorder);
      const second = await openBoth(await setup.connect(), makeRecorder);
      await Promise.all([
        sendAll(first.near.connection, [pattern(500, 1), pattern(500, 2)]),
        sendAll(second.near.connection, [pattern(500, 3), pattern(500, 4)]),
      ]);
      await Promise.all([first.far.recorder.untilMessages(2), second.far.recorder.untilMessages(2)]);
      await closeBoth(first);
      assert.deepEqual(second.near.recorder.closes, [], 'closing one link ended the other');
      await second.far.connection.send(pattern(10, 5));
      await second.near.recorder.untilMessages(1);
      assertSame(first.far.recorder.messages, [pattern(500, 1), pattern(500, 2)]);
      assertSame(second.far.recorder.messages, [pattern(500, 3), pattern(500, 4)]);
      await closeBoth(second);
    });

    // Back-pressure

    checkBothWays(
      'stops the sender while the receiver takes nothing, and loses nothing',
      async ({ from, to }, setup) => {
        to.recorder.pause();
        const { accepted, blocked } = await sendUntilBlocked(from.connection, setup.maxBufferedBytes, stallMs);
        assert.ok(
          blocked !== undefined,
          `${accepted} bytes were accepted that nobody took; ${setup.maxBufferedBytes} are allowed`,
        );
        assert.deepEqual(to.recorder.closes, []);
        to.recorder.resume();
        await blocked;
        await to.recorder.until('what was sent', () => to.recorder.receivedBytes >= accepted + PIECE);
        const pieces = Array.from({ length: accepted / PIECE + 1 }, (_, index) => pattern(PIECE, index));
        assertSame(to.recorder.messages, pieces);
      },
    );

    checkBothWays('ends with an error although the receiver takes nothing', async ({ from, to }, setup) => {
      to.recorder.pause();
      const { blocked } = await sendUntilBlocked(from.connection, setup.maxBufferedBytes, stallMs);
      const settled = blocked?.catch(assertMessagingError);
      await from.connection.close(permanentError());
      await settled;
      to.recorder.resume();
      await to.recorder.untilClosed();
    });

    checkBothWays('ends by the receiver although it takes nothing', async ({ from, to }, setup) => {
      to.recorder.pause();
      const { blocked } = await sendUntilBlocked(from.connection, setup.maxBufferedBytes, stallMs);
      const settled = blocked?.catch(assertMessagingError);
      await to.connection.close();
      to.recorder.resume();
      await from.recorder.untilClosed();
      await settled;
    });

    // Closing

    checkBothWays('reports an orderly end to the other end once', async ({ from, to }) => {
      await from.connection.close();
      const error = await to.recorder.untilClosed();
      if (error !== undefined) assert.equal(error.recoverable, true, `an orderly end is not final: ${error.message}`);
      await assertRejects(to.connection.send(pattern(1)));
    });

    for (const error of [recoverableError(), permanentError()]) {
      const kind = error.recoverable ? 'a recoverable' : 'a permanent';
      checkBothWays(`tells the other end of ${kind} error`, async ({ from, to }, setup) => {
        await from.connection.close(error);
        const received = await to.recorder.untilClosed();
        if (setup.carriesReason === false) return;
        assertMessagingError(received);
        assert.equal(received.recoverable, error.recoverable);
        assert.ok(received.message.includes(error.message), `"${received.message}" does not say "${error.message}"`);
      });
    }

    checkBothWays('delivers what was sent before the end', async ({ from, to }) => {
      const messages = [1, 2, 3, 4].map((index) => pattern(5000, index));
      const sends = messages.map((message) => from.connection.send(message));
      await Promise.all([from.connection.close(), ...sends]);
      await to.recorder.untilClosed();
      assertSame(to.recorder.messages, messages);
    });

    checkBothWays('closes twice as once', async ({ from, to }) => {
      await Promise.all([from.connection.close(), from.connection.close(permanentError())]);
      await from.connection.close();
      await to.recorder.untilClosed();
    });

    check('closes from both ends at once', async (setup) => {
      const link = await openBoth(await setup.connect(), makeRecorder);
      await closeBoth(link);
      assert.ok(link.near.recorder.closes.length + link.far.recorder.closes.length <= 2);
    });

    checkBothWays('opens a new link after the old one has ended', async ({ from, to }, setup) => {
      await from.connection.close();
      await to.recorder.untilClosed();
      await to.connection.close();
      const again = await openBoth(await setup.connect(), makeRecorder);
      await again.near.connection.send(pattern(77));
      await again.far.recorder.untilMessages(1);
      assertSame(again.far.recorder.messages, [pattern(77)]);
      await closeBoth(again);
    });

    // Trouble

    check('reports one recoverable error at each end when the medium breaks', async (setup, context) => {
      const pair = await setup.connect();
      const link = await openBoth(pair, makeRecorder);
      if (pair.vanish === undefined) {
        context.skip('this medium cannot be broken');
      } else {
        await pair.vanish();
        for (const { connection, recorder } of Object.values(link)) {
          const error = await recorder.untilClosed();
          assertMessagingError(error);
          assert.equal(error.recoverable, true, error.message);
          await assertRejects(connection.send(pattern(1)));
        }
      }
      await closeBoth(link);
    });

    checkBothWays('settles a pending send when the medium breaks', async ({ from, to, pair }, setup, context) => {
      if (pair.vanish === undefined) return context.skip('this medium cannot be broken');
      to.recorder.pause();
      const { blocked } = await sendUntilBlocked(from.connection, setup.maxBufferedBytes, stallMs);
      const settled = blocked?.catch(assertMessagingError);
      await pair.vanish();
      await settled;
      to.recorder.resume();
      await Promise.all([from.recorder.untilClosed(), to.recorder.untilClosed()]);
    });

    checkBothWays('ends with an error when garbage arrives', async ({ to, names, pair }, _setup, context) => {
      if (pair.injectGarbage === undefined) return context.skip('every message is valid on this medium');
      await pair.injectGarbage(names.to);
      assertMessagingError(await to.recorder.untilClosed());
    });

    test('leaves no handle behind', { timeout: timeoutMs }, async () => {
      const before = process.getActiveResourcesInfo();
      const setup = await makeSetup();
      const link = await openBoth(await setup.connect(), makeRecorder);
      await sendAll(link.near.connection, [pattern(10), pattern(BIG)]);
      await link.far.recorder.untilMessages(2);
      await closeBoth(link);
      const pair = await setup.connect();
      const broken = await openBoth(pair, makeRecorder);
      await pair.vanish?.();
      await closeBoth(broken);
      await setup.teardown?.();
      let more = additional(before, process.getActiveResourcesInfo());
      for (let turn = 0; turn < 100 && more.length > 0; turn++) {
        await pass(5); // the operating system closes descriptors in its own time
        more = additional(before, process.getActiveResourcesInfo());
      }
      assert.deepEqual(more, [], 'the process is kept alive');
    });
  });
}

const DIRECTIONS = [
  { from: 'near', to: 'far' },
  { from: 'far', to: 'near' },
] as const;

/** What every connection must be able to carry. */
const BIG = 65_536;
const LARGEST_TESTED = 64 * 1_048_576;
