/** How a link is made of three packets, and what happens when an end starts anew. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHawserError } from '../../src/index.js';
import { Link, rollCall } from '../../transports/link/machine/index.js';
import { encodeAcknowledgement, encodeGreeting, encodeReset, startData } from '../../transports/link/machine/packet.js';
import { LATENCY_MS, LINK, losing, message, Pair, ROUND_TRIP_MS, type Post } from './pair.js';

const TAG = 0xabcdef;

describe('making a link', () => {
  test('sends nothing before it is open', () => {
    const link = Link.connect(TAG, LINK, 0);
    assert.throws(
      () => link.send(message(1)),
      (error) => isHawserError(error) && error.code === 'CONNECTION_NOT_OPEN',
    );
    assert.equal(link.queuedBytes, 0);
  });

  test('takes hello, welcome and a question that proves it, in one and a half round trips', () => {
    const pair = new Pair();
    pair.runUntil(() => pair.passive !== undefined);
    assert.equal(pair.now, 3 * LATENCY_MS);
    pair.run(1_000);
    assert.deepEqual(pair.trace(), [
      'active hello',
      'passive welcome',
      'active question 0',
      'passive acknowledgement 0',
    ]);
  });

  test('needs no question where data are the third packet', () => {
    const pair = new Pair();
    pair.medium = losing(1, ({ packet }) => packet.kind === 'acknowledgement');
    pair.runUntil(() => pair.active.state === 'open');
    pair.active.send(message(10));
    pair.runUntil(() => pair.heard.passive.length === 1);
    assert.equal(pair.now, 3 * LATENCY_MS);
  });

  const firsts: readonly [string, (post: Post) => boolean][] = [
    ['hello', ({ packet }) => packet.kind === 'hello'],
    ['welcome', ({ packet }) => packet.kind === 'welcome'],
    ['third packet', ({ from, packet }) => from === 'active' && packet.kind === 'acknowledgement'],
    ['answer to the third', ({ from, packet }) => from === 'passive' && packet.kind === 'acknowledgement'],
  ];
  for (const [what, isHit] of firsts) {
    test(`survives the loss of its ${what}, once and five times`, () => {
      for (const times of [1, 5]) {
        const pair = new Pair();
        pair.medium = losing(times, isHit);
        pair.runUntil(() => pair.passive?.state === 'open' && pair.active.state === 'open', 30_000);
        pair.active.send(message(10));
        pair.made.send(message(20));
        pair.runUntil(() => pair.heard.passive.length === 1 && pair.heard.active.length === 1, 30_000);
        assert.equal(pair.active.end, undefined);
      }
    });
  }

  test('says hello again after the first wait, then after twice and four times that', () => {
    const pair = new Pair();
    pair.medium = () => [];
    pair.run(20_000);
    const times = pair.posts.map(({ at }) => at);
    assert.deepEqual(times, [0, 1_000, 3_000, 7_000, 11_000, 15_000, 19_000]);
    assert.equal(pair.active.state, 'connecting');
  });

  test('gives an application that closes meanwhile its end at once', () => {
    for (const hasSpoken of [true, false]) {
      const link = Link.connect(TAG, LINK, 0);
      if (hasSpoken) link.poll(0);
      link.close(1000, '', true);
      assert.equal(link.end?.kind, 'done');
      assert.equal(link.poll(10_000), undefined);
      assert.equal(link.wakeAt(10_000), Infinity);
    }
  });

  test('is made once, however often its packets are repeated', () => {
    const pair = new Pair();
    pair.medium = () => [LATENCY_MS, LATENCY_MS, 3 * LATENCY_MS];
    pair.run(5_000);
    const link = pair.made;
    pair.active.send(message(1_000));
    pair.run(5_000);
    assert.equal(pair.passive, link);
    assert.deepEqual(pair.heard.passive, [message(1_000)]);
  });

  test('answers a welcome that comes again, for the other end cannot know yet', () => {
    const pair = Pair.opened();
    const welcome = encodeGreeting('welcome', pair.active.tag, { ...greetingOf(pair), tag: pair.made.tag });
    pair.inject('active', welcome);
    pair.run(1_000);
    assert.deepEqual(pair.trace(), ['active question 0', 'passive acknowledgement 0']);
    // That of another life is none of this link's.
    pair.inject('active', encodeGreeting('welcome', pair.active.tag, { ...greetingOf(pair), tag: 99 }));
    pair.run(1_000);
    assert.equal(pair.posts.length, 2);
  });

  test('ends where the other end speaks another version, and says so', () => {
    const link = Link.connect(TAG, LINK, 0);
    link.poll(0);
    link.receive(encodeGreeting('welcome', TAG, { version: 2, tag: 7, maxPacketSize: 100, credit: 100 }), 10);
    assert.equal(link.end?.kind, 'version');
    assert.match(link.end?.reason ?? '', /version 2, not 1/);
    assert.equal(link.poll(10), undefined);
  });

  test('answers a hello of another version in its own, so that the other end can say what is wrong', () => {
    const pair = new Pair();
    pair.medium = () => [];
    pair.inject('passive', encodeGreeting('hello', 0, { ...greetingOf(pair), version: 2 }));
    pair.run(10);
    const answer = pair.posts.find(({ from }) => from === 'passive')?.packet;
    assert.ok(answer?.kind === 'welcome' && answer.greeting.version === 1);
  });

  test('ignores a reset before the other end is known, whatever its tag', () => {
    const link = Link.connect(TAG, LINK, 0);
    link.poll(0);
    for (const tag of [0, 1, TAG]) link.receive(encodeReset(tag), 1);
    assert.equal(link.state, 'connecting');
  });

  test('ignores data and acknowledgements that come before the welcome', () => {
    const link = Link.connect(TAG, LINK, 0);
    link.poll(0);
    link.receive(startData(TAG, 0, 5), 1);
    link.receive(encodeAcknowledgement(TAG, { next: 1, credit: 0, ahead: [], wantsAnswer: true }, 100), 1);
    assert.equal(link.state, 'connecting');
    assert.equal(link.hasMessage, false);
    assert.equal(link.poll(1), undefined);
  });
});

describe('starting anew', () => {
  test('a restart of the active end replaces the link after the third packet, and not before', () => {
    const pair = Pair.opened();
    const before = pair.made;
    pair.restart('active');
    pair.run(LATENCY_MS * 2);
    assert.equal(before.state, 'open', 'hello and welcome prove nothing');
    pair.run(LATENCY_MS * 2);
    assert.equal(before.end?.kind, 'replaced');
    assert.notEqual(pair.passive, before);
    pair.made.send(message(30));
    pair.run(1_000);
    assert.deepEqual(pair.heard.active, [message(30)]);
  });

  test('an old hello, which the medium brings late, does not touch the link that there is', () => {
    const pair = new Pair();
    pair.medium = ({ packet }) => (packet.kind === 'hello' ? [LATENCY_MS, 5_000, 12_000] : [LATENCY_MS]);
    pair.run(1_000);
    const first = pair.made;
    pair.restart('active');
    pair.run(1_000);
    const second = pair.made;
    assert.equal(first.end?.kind, 'replaced');
    pair.active.send(message(5_000));
    pair.run(30_000);
    assert.equal(pair.passive, second);
    assert.equal(second.end, undefined);
    assert.deepEqual(pair.heard.passive, [message(5_000)]);
  });

  test('an old hello in the middle of an attempt ends that attempt soon, and the next one is free', () => {
    const pair = new Pair();
    pair.runUntil(() => pair.count('welcome') === 1);
    pair.inject('passive', encodeGreeting('hello', 0, { ...greetingOf(pair), tag: 99 }));
    pair.runUntil(() => pair.active.end !== undefined, 2 * ROUND_TRIP_MS);
    assert.equal(pair.active.end?.kind, 'restarted');
    pair.restart('active');
    pair.run(1_000);
    assert.equal(pair.active.state, 'open');
    assert.equal(pair.made.state, 'open');
  });

  for (const what of ['data', 'a question after silence'] as const) {
    test(`a restart of the passive end is noticed at the next packet, ${what}, within a round trip`, () => {
      const pair = Pair.opened();
      pair.restart('passive');
      if (what === 'data') pair.active.send(message(10));
      pair.runUntil(() => pair.posts.length > 0);
      const said = pair.now;
      pair.runUntil(() => pair.active.end !== undefined);
      assert.equal(pair.active.end?.kind, 'restarted');
      assert.equal(pair.now - said, ROUND_TRIP_MS);
      assert.equal(pair.passive, undefined);
    });
  }

  test('a restart of the passive end between its welcome and the third packet is noticed too', () => {
    const pair = new Pair();
    pair.runUntil(() => pair.count('welcome') === 1);
    pair.restart('passive');
    pair.runUntil(() => pair.active.end !== undefined);
    assert.equal(pair.active.end?.kind, 'restarted');
  });

  test('a reset with the tag of another link is ignored', () => {
    const pair = Pair.opened();
    for (const tag of [0, 1, pair.active.tag]) pair.inject('active', encodeReset(tag));
    for (const tag of [0, 1, pair.made.tag]) pair.inject('passive', encodeReset(tag));
    pair.run(1_000);
    assert.equal(pair.active.state, 'open');
    assert.equal(pair.made.state, 'open');
    pair.inject('active', encodeReset(pair.made.tag));
    pair.run(0);
    assert.equal(pair.active.end?.kind, 'restarted');
  });

  test('a passive end that restarted and calls the roll is noticed by an active one that has nothing to say', () => {
    const pair = Pair.opened();
    pair.run(1_000);
    pair.restart('passive');
    pair.inject('active', rollCall());
    pair.run(4 * LATENCY_MS);
    assert.equal(pair.active.end?.kind, 'restarted');
  });

  test('a roll call costs a link that both ends know a question and its answer', () => {
    const pair = Pair.opened();
    pair.run(1_000);
    const before = pair.posts.length;
    pair.inject('active', rollCall());
    pair.run(4 * LATENCY_MS);
    assert.equal(pair.active.state, 'open');
    assert.deepEqual(
      pair.posts.slice(before).map(({ from, packet }) => `${from} ${packet.kind}`),
      ['active acknowledgement', 'passive acknowledgement'],
    );
  });

  test('packets of the link before are not taken for those of the next', () => {
    const pair = Pair.opened();
    pair.medium = ({ packet }) => (packet.kind === 'data' ? [LATENCY_MS, 3_000] : [LATENCY_MS]);
    pair.active.send(message(1_000, 1));
    pair.run(500);
    pair.restart('active');
    pair.run(1_000);
    pair.active.send(message(1_000, 2));
    pair.run(10_000);
    assert.deepEqual(pair.heard.passive, [message(1_000, 1), message(1_000, 2)]);
    assert.equal(pair.active.end, undefined);
  });
});

function greetingOf(pair: Pair): { version: number; tag: number; maxPacketSize: number; credit: number } {
  return { version: 1, tag: pair.active.tag, maxPacketSize: 107, credit: 10_000 };
}
