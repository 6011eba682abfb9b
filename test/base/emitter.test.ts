import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Emitter, deferred } from '../../src/base/index.js';

interface Events {
  readonly saved: { readonly id: string };
  readonly closed: undefined;
}

test('calls the listeners of an event in the order they came', () => {
  const emitter = new Emitter<Events>();
  const heard: string[] = [];
  emitter.on('saved', ({ id }) => heard.push(`first ${id}`));
  emitter.on('saved', ({ id }) => heard.push(`second ${id}`));
  emitter.on('closed', () => heard.push('closed'));
  emitter.emit('saved', { id: 'a' });
  assert.deepEqual(heard, ['first a', 'second a']);
});

test('stops calling a listener once it has unsubscribed, however often it does', () => {
  const emitter = new Emitter<Events>();
  let calls = 0;
  const unsubscribe = emitter.on('closed', () => calls++);
  assert.ok(emitter.has('closed'));
  emitter.emit('closed', undefined);
  unsubscribe();
  unsubscribe();
  emitter.emit('closed', undefined);
  assert.equal(calls, 1);
  assert.ok(!emitter.has('closed'));
  assert.ok(!emitter.has('saved'));
});

test('counts the same function twice when it is added twice, and removes it once', () => {
  const emitter = new Emitter<Events>();
  let calls = 0;
  const listener = (): void => void calls++;
  const unsubscribe = emitter.on('closed', listener);
  emitter.on('closed', listener);
  emitter.emit('closed', undefined);
  assert.equal(calls, 2);
  unsubscribe();
  emitter.emit('closed', undefined);
  assert.equal(calls, 3);
});

test('does not call a listener that an earlier one removed, nor one that an earlier one added', () => {
  const emitter = new Emitter<Events>();
  const heard: string[] = [];
  emitter.on('closed', () => {
    heard.push('first');
    unsubscribe();
    emitter.on('closed', () => heard.push('added'));
  });
  const unsubscribe = emitter.on('closed', () => heard.push('second'));
  emitter.emit('closed', undefined);
  assert.deepEqual(heard, ['first']);
});

test('reports what a listener throws as uncaught and still calls the others', async () => {
  const emitter = new Emitter<Events>();
  const failure = new Error('of a listener');
  const reported = deferred<unknown>();
  let called = false;
  emitter.on('closed', () => {
    throw failure;
  });
  emitter.on('closed', () => (called = true));
  // The runner listens as well; only this listener may see the error.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (error) => reported.resolve(error));
  try {
    emitter.emit('closed', undefined);
    assert.ok(called);
    assert.equal(await reported.promise, failure);
  } finally {
    for (const listener of others) process.on('uncaughtException', listener);
  }
});
