import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { deferred } from '../../src/base/index.js';
import { MessagingError, ReceiveGate, type ReplicatorConnection } from '../../src/endpoint/index.js';

function recorder(log: string[], taken?: Promise<void>): ReplicatorConnection {
  return {
    receive: (message) => {
      log.push(`message ${message[0]}`);
      return taken;
    },
    close: (error) => void log.push(`close ${error?.code ?? 'orderly'}`),
  };
}

const noOverflow = { onOverflow: () => assert.fail('overflow') };
const lost = new MessagingError('CONNECTION_LOST', 'gone', { recoverable: true });

describe('ReceiveGate', () => {
  test('reports an overflow once the messages that wait for open exceed the bound, and drops the message', async () => {
    const log: string[] = [];
    const overflows: MessagingError[] = [];
    const gate = new ReceiveGate(recorder(log), { maxHeldBytes: 100, onOverflow: (error) => overflows.push(error) });
    const opening = deferred();
    const opened = gate.during(opening.promise);
    void gate.receive(Uint8Array.of(1));
    assert.equal(gate.receive(new Uint8Array(100)), undefined);
    assert.deepEqual(
      overflows.map((error) => error.code),
      ['CONNECTION_BUFFER_FULL'],
    );
    opening.resolve();
    await opened;
    await turn();
    assert.deepEqual(log, ['message 1']);
  });

  test('counts empty messages too', () => {
    let overflows = 0;
    const gate = new ReceiveGate(recorder([]), { maxHeldBytes: 1_000, onOverflow: () => overflows++ });
    for (let count = 0; count < 100; count++) void gate.receive(new Uint8Array(0));
    assert.ok(overflows > 50, `${overflows} overflows`);
  });

  test('holds messages and the end until open has resolved for the caller', async () => {
    const log: string[] = [];
    const gate = new ReceiveGate(recorder(log), noOverflow);
    const opening = deferred();
    const opened = gate.during(opening.promise).then(() => log.push('open'));
    const taken = gate.receive(Uint8Array.of(1));
    void gate.receive(Uint8Array.of(2));
    gate.close(lost);
    void gate.receive(Uint8Array.of(3));
    assert.equal(gate.paused, true);
    assert.deepEqual(log, []);
    opening.resolve();
    await opened;
    await taken;
    await turn();
    assert.deepEqual(log, ['open', 'message 1', 'message 2', 'close CONNECTION_LOST']);
  });

  test('keeps that order through two gates', async () => {
    const log: string[] = [];
    const outer = new ReceiveGate(recorder(log), noOverflow);
    const inner = new ReceiveGate(outer, noOverflow);
    const opening = deferred();
    const opened = outer.during(inner.during(opening.promise)).then(() => log.push('open'));
    void inner.receive(Uint8Array.of(1));
    inner.close();
    opening.resolve();
    await opened;
    await turn();
    assert.deepEqual(log, ['open', 'message 1', 'close orderly']);
  });

  test('passes nothing when open fails', async () => {
    const log: string[] = [];
    const gate = new ReceiveGate(recorder(log), noOverflow);
    const opening = deferred();
    const opened = gate.during(opening.promise);
    const taken = gate.receive(Uint8Array.of(1));
    gate.close(lost);
    opening.reject(lost);
    await assert.rejects(opened, { code: 'CONNECTION_LOST' });
    await taken;
    await turn();
    assert.deepEqual(log, []);
  });

  test('reports one end, and no message after it', async () => {
    const log: string[] = [];
    const gate = new ReceiveGate(recorder(log), noOverflow);
    await gate.during(Promise.resolve());
    await turn();
    gate.close();
    gate.close(lost);
    assert.equal(gate.receive(Uint8Array.of(1)), undefined);
    assert.deepEqual(log, ['close orderly']);
  });

  test('lets the transport go on when it is shut while the engine has not taken a message', async () => {
    const log: string[] = [];
    const gate = new ReceiveGate(recorder(log, new Promise<void>(() => {})), noOverflow);
    await gate.during(Promise.resolve());
    await turn();
    const taken = gate.receive(Uint8Array.of(1));
    assert.ok(taken instanceof Promise);
    assert.equal(gate.paused, true);
    gate.shut();
    await taken;
    assert.equal(gate.paused, false);
    gate.close(lost);
    assert.deepEqual(log, ['message 1']);
  });

  test('passes a message on at once, and without a promise if the engine returned none', async () => {
    const log: string[] = [];
    const gate = new ReceiveGate(recorder(log), noOverflow);
    await gate.during(Promise.resolve());
    await turn();
    assert.equal(gate.receive(Uint8Array.of(7)), undefined);
    assert.deepEqual(log, ['message 7']);
  });
});
