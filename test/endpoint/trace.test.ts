import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatTraceEvent, loopbackPair, MessagingError, traced, type TraceEvent } from '../../src/endpoint/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

describe('traced', () => {
  test('refuses unknown options', () => {
    assert.throws(() => traced(loopbackPair().a, () => undefined, { hex: true } as never), { code: 'OPTION_UNKNOWN' });
    assert.throws(() => traced(loopbackPair().a, () => undefined, { hexBytes: -1 }), { code: 'ARGUMENT_INVALID' });
  });

  test('tells what happened, when, and the first bytes if asked', async () => {
    const clock = new VirtualClock();
    const events: TraceEvent[] = [];
    const { a, b } = loopbackPair({ clock, latencyMs: 5, maxMessageSize: 100 });
    const near = traced(a, (event) => events.push(event), { clock, hexBytes: 2 });
    const far = new ConnectionRecorder();
    await clock.runUntil(Promise.all([new ConnectionRecorder().open(near), far.open(b)]));
    await near.send(Uint8Array.of(1, 2, 3));
    await assert.rejects(near.send(new Uint8Array(101)), { code: 'CONNECTION_MESSAGE_TOO_LARGE' });
    await b.send(Uint8Array.of(0xff));
    await clock.advance(5);
    void b.close(new MessagingError('CONNECTION_FAILED', 'enough', { recoverable: false }));
    await clock.advance(5);
    await near.close();
    assert.deepEqual(events.map(formatTraceEvent), [
      '0.0 ms opening',
      '5.0 ms opened',
      '5.0 ms sent 3 bytes 0102…',
      '5.0 ms sent 101 bytes 0000…',
      '5.0 ms send-failed 101 bytes CONNECTION_MESSAGE_TOO_LARGE send: a message of 101 bytes exceeds the limit of 100',
      '10.0 ms received 1 bytes ff',
      '15.0 ms ended CONNECTION_FAILED the peer reported a permanent error: enough (close code 4002)',
      '15.0 ms closing',
      '15.0 ms closed',
    ]);
  });

  test('shows no bytes unless asked, and tells of a failed open', async () => {
    const events: TraceEvent[] = [];
    const { a, b } = loopbackPair();
    const near = traced(a, (event) => events.push(event));
    await b.close();
    await assert.rejects(new ConnectionRecorder().open(near));
    assert.deepEqual(
      events.map((event) => event.kind),
      ['opening', 'open-failed'],
    );
    await near.close();
  });

  test('is not disturbed by a sink that throws', async () => {
    const { a, b } = loopbackPair();
    const near = traced(a, () => {
      throw new Error('full disk');
    });
    const far = new ConnectionRecorder();
    await Promise.all([new ConnectionRecorder().open(near), far.open(b)]);
    await near.send(Uint8Array.of(1));
    await far.untilMessages(1);
    await near.close();
  });
});
