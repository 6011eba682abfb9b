/** A receiver that takes nothing stops the sender; one that takes again is found out, whatever was lost. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LINK, losing, message, Pair, perfect } from './pair.js';

const WINDOW = LINK.window;

describe('a receiver whose application takes nothing', () => {
  test('stops the sender after as many bytes as the window has, and what had arrived of a message', () => {
    const pair = stopped();
    const { sentBytes } = pair.active.statistics;
    assert.ok(sentBytes >= WINDOW && sentBytes <= WINDOW + 402, `${sentBytes} bytes`);
    assert.equal(pair.made.statistics.receivedBytes, sentBytes);
    assert.equal(pair.active.queuedBytes, 40 * 402 - sentBytes);
  });

  test('lets a message pass that is larger than the window', () => {
    const pair = Pair.opened();
    pair.isTaking.passive = false;
    pair.active.send(message(60_000));
    pair.run(10_000);
    assert.equal(pair.made.hasMessage, true);
    // It is whole, and nobody has it: beyond it the window is closed.
    pair.active.send(message(60_000));
    pair.run(10_000);
    const { sentBytes } = pair.active.statistics;
    assert.ok(sentBytes >= 60_003 && sentBytes <= 60_003 + WINDOW, `${sentBytes} bytes`);
    pair.isTaking.passive = true;
    pair.runUntil(() => pair.heard.passive.length === 2);
  });

  test('is asked for more with growing pauses, and answers, for as long as it lasts', () => {
    const pair = stopped();
    const before = pair.posts.length;
    pair.run(3_600_000);
    assert.equal(pair.active.end, undefined);
    const questions = pair.posts.slice(before).filter(({ from }) => from === 'active');
    const pauses = questions.slice(1).map(({ at }, index) => at - (questions[index]?.at ?? 0));
    assert.ok(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0) - 1e-6));
    assert.ok((pauses.at(-1) ?? 0) >= LINK.maxTimeoutMs);
    assert.ok(questions.length <= 3_600_000 / LINK.maxTimeoutMs);
    assert.equal(pair.posts.length - before, 2 * questions.length);
  });

  test('may be asked to close the link by the other end, at once or in vain', () => {
    for (const flush of [false, true]) {
      const pair = stopped();
      pair.active.close(4000, 'enough', flush);
      pair.run(60_000);
      assert.equal(pair.active.state, flush ? 'flushing' : 'ended');
    }
  });
});

describe('a receiver that takes again', () => {
  test('says so by itself, when a quarter of the window is free', () => {
    const pair = stopped();
    const before = pair.posts.length;
    pair.isTaking.passive = true;
    pair.runUntil(() => pair.heard.passive.length === 40);
    assert.equal(pair.trace(before)[0]?.startsWith('passive acknowledgement'), true);
    assert.ok(pair.posts.slice(before).every(({ packet }) => packet.kind !== 'acknowledgement' || !packet.wantsAnswer));
  });

  test('is found out by a question when its words were lost', () => {
    const pair = stopped();
    pair.medium = losing(1, ({ from }) => from === 'passive');
    const start = pair.now;
    pair.isTaking.passive = true;
    pair.runUntil(() => pair.heard.passive.length === 40);
    assert.ok(pair.now - start < 2 * LINK.maxTimeoutMs);
  });

  test('tells of less than a quarter when it is asked', () => {
    const pair = stopped();
    const first = pair.made.nextMessage();
    assert.ok(first !== undefined && first.cost < WINDOW / 4);
    const { sentBytes } = pair.active.statistics;
    pair.made.taken(first.cost, pair.now);
    pair.run(2 * LINK.maxTimeoutMs);
    const more = pair.active.statistics.sentBytes - sentBytes;
    assert.ok(more > 0 && more <= first.cost, `${more} bytes`);
  });
});

test('a receiver that grants nothing at all is asked, and never sent a byte', () => {
  const pair = Pair.opened({}, { window: 0 });
  pair.active.send(message(10));
  pair.made.send(message(10));
  pair.run(600_000);
  assert.equal(pair.active.statistics.sentBytes, 0);
  assert.equal(pair.count('data', 'active'), 0);
  assert.ok(pair.count('acknowledgement', 'active') < 200);
  assert.equal(pair.heard.active.length, 1, 'the other direction is its own');
  pair.active.close(1000, '', false);
  pair.run(1_000);
  assert.equal(pair.active.end?.kind, 'done');
});

test('a window of a few bytes is slow, and nothing worse', () => {
  const pair = Pair.opened({ window: 3 });
  pair.active.send(message(100));
  pair.runUntil(() => pair.heard.passive.length === 1);
  assert.deepEqual(pair.heard.passive, [message(100)]);
});

test('both ends may stop each other and go on again', () => {
  const pair = stopped();
  pair.isTaking.active = false;
  for (let index = 0; index < 40; index++) pair.made.send(message(400, index));
  pair.medium = losing(5, ({ packet }) => packet.kind === 'acknowledgement');
  pair.run(30_000);
  pair.medium = perfect;
  pair.isTaking.active = true;
  pair.isTaking.passive = true;
  pair.runUntil(() => pair.heard.active.length === 40 && pair.heard.passive.length === 40);
});

/** 16,080 bytes were handed over, and the passive end takes none. */
function stopped(): Pair {
  const pair = Pair.opened();
  pair.isTaking.passive = false;
  for (let index = 0; index < 40; index++) pair.active.send(message(400, index));
  pair.run(1_000);
  return pair;
}
