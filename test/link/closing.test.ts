/** Every way in which a link is ended by its ends: after everything has arrived, at once, by both, and by one that cannot. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHawserError } from '../../src/index.js';
import type { Link, LinkEnd } from '../../transports/link/machine/index.js';
import { encodeClose, encodeClosed } from '../../transports/link/machine/packet.js';
import { LATENCY_MS, LINK, losing, message, Pair, ROUND_TRIP_MS, type End } from './pair.js';

const DONE: LinkEnd = { kind: 'done', reason: 'the link was closed' };

for (const who of ['active', 'passive'] as const) {
  const other: End = who === 'active' ? 'passive' : 'active';

  describe(`a link that is closed by its ${who} end`, () => {
    test('ends in order when everything has arrived', () => {
      const pair = Pair.opened();
      for (let index = 0; index < 10; index++) linkOf(pair, who).send(message(3_000, index));
      linkOf(pair, who).close(1000, 'goodbye', true);
      assert.equal(linkOf(pair, who).state, 'flushing');
      pair.runUntil(() => isOver(pair));
      assert.equal(pair.heard[other].length, 10);
      assert.deepEqual(linkOf(pair, who).end, DONE);
      assert.deepEqual(linkOf(pair, other).end, { kind: 'closed', code: 1000, reason: 'goodbye' });
      assert.equal(pair.count('close'), 1);
      assert.equal(pair.count('closed'), 1);
      isQuiet(pair);
    });

    test('ends in one round trip when there is nothing left to send', () => {
      const pair = Pair.opened();
      const start = pair.now;
      linkOf(pair, who).close(1001, '', true);
      pair.runUntil(() => isOver(pair));
      assert.equal(pair.now - start, ROUND_TRIP_MS);
      assert.deepEqual(linkOf(pair, other).end, { kind: 'closed', code: 1001, reason: '' });
    });

    test('ends at once with a reason, whatever is still to be sent', () => {
      const pair = Pair.opened();
      linkOf(pair, who).send(message(50_000));
      pair.run(LATENCY_MS);
      linkOf(pair, who).close(4002, 'no more', false);
      pair.runUntil(() => isOver(pair));
      assert.deepEqual(linkOf(pair, other).end, { kind: 'closed', code: 4002, reason: 'no more' });
      assert.deepEqual(pair.heard[other], []);
      assert.equal(linkOf(pair, who).queuedBytes, 0);
      isQuiet(pair);
    });

    test('may be ended at once while it is flushing, and not the other way round', () => {
      const pair = Pair.opened();
      pair.isTaking[other] = false;
      sendTooMuch(pair, who);
      linkOf(pair, who).close(1000, 'all of it', true);
      pair.run(1_000);
      assert.equal(linkOf(pair, who).state, 'flushing');
      linkOf(pair, who).close(4000, 'it takes too long', false);
      linkOf(pair, who).close(1000, 'too late', true);
      pair.runUntil(() => isOver(pair));
      assert.deepEqual(linkOf(pair, other).end, { kind: 'closed', code: 4000, reason: 'it takes too long' });
      // What came before the end is still there.
      assert.equal(linkOf(pair, other).hasMessage, true);
    });

    for (const kind of ['close', 'closed'] as const) {
      test(`survives the loss of its ${kind}, twice`, () => {
        const pair = Pair.opened();
        pair.medium = losing(2, ({ packet }) => packet.kind === kind);
        linkOf(pair, who).close(1000, 'x', false);
        pair.runUntil(() => isOver(pair), LINK.giveUpMs - 1);
        assert.deepEqual(linkOf(pair, who).end, DONE);
        assert.equal(linkOf(pair, other).end?.kind, 'closed');
        assert.equal(pair.count('close'), 3);
        isQuiet(pair);
      });
    }

    test('repeats its close after the timeout of the round trip, however hard it was to open', () => {
      for (const flush of [true, false]) {
        const pair = new Pair();
        pair.medium = losing(5, ({ packet }) => packet.kind === 'hello');
        pair.runUntil(() => pair.passive?.state === 'open' && pair.active.state === 'open');
        pair.medium = losing(1, ({ packet }) => packet.kind === 'close');
        linkOf(pair, who).send(message(10));
        linkOf(pair, who).close(1000, '', flush);
        pair.runUntil(() => isOver(pair));
        const [first = 0, second = 0] = pair.posts.filter(({ packet }) => packet.kind === 'close').map(({ at }) => at);
        assert.ok(second - first <= LINK.initialTimeoutMs, `${second - first} ms`);
      }
    });

    test('takes no message after that, and gives none that comes', () => {
      for (const flush of [true, false]) {
        const pair = Pair.opened();
        pair.isTaking[other] = false;
        sendTooMuch(pair, who);
        linkOf(pair, who).close(1000, '', flush);
        assert.throws(
          () => linkOf(pair, who).send(message(1)),
          (error) => isHawserError(error) && error.code === 'CONNECTION_NOT_OPEN',
        );
        linkOf(pair, other).send(message(10));
        pair.run(1_000);
        // Until everything has arrived the other direction goes on.
        assert.equal(pair.heard[who].length, flush ? 1 : 0);
      }
    });
  });
}

test('a link that both ends close at once is closed for both, with the reason of the other', () => {
  for (const flush of [true, false]) {
    const pair = Pair.opened();
    pair.active.send(message(500, 1));
    pair.made.send(message(500, 2));
    pair.active.close(4001, 'from active', flush);
    pair.made.close(4002, 'from passive', flush);
    pair.runUntil(() => isOver(pair), 10_000);
    assert.deepEqual(pair.active.end, { kind: 'closed', code: 4002, reason: 'from passive' });
    assert.deepEqual(pair.made.end, { kind: 'closed', code: 4001, reason: 'from active' });
    if (flush) assert.equal(pair.heard.active.length + pair.heard.passive.length, 2);
    isQuiet(pair);
  }
});

test('a link that both ends close while neither takes ends when one has had enough', () => {
  const pair = Pair.opened();
  pair.isTaking.active = pair.isTaking.passive = false;
  sendTooMuch(pair, 'active');
  sendTooMuch(pair, 'passive');
  pair.active.close(1000, '', true);
  pair.made.close(1000, '', true);
  pair.run(600_000);
  assert.equal(pair.active.state, 'flushing');
  assert.equal(pair.made.state, 'flushing');
  pair.active.close(4000, 'enough', false);
  pair.runUntil(() => isOver(pair));
});

test('a link that is closed as soon as it is open ends in order, although the other end never had it', () => {
  const pair = new Pair();
  pair.medium = losing(1, ({ packet }) => packet.kind === 'acknowledgement');
  pair.runUntil(() => pair.active.state === 'open');
  pair.active.close(1000, '', true);
  pair.runUntil(() => pair.active.end !== undefined, ROUND_TRIP_MS);
  assert.deepEqual(pair.active.end, DONE);
  assert.equal(pair.passive, undefined);
});

test('the reason fits into the smallest packet, between two characters', () => {
  const pair = Pair.opened({ maxPacketSize: 32 });
  pair.active.close(4000, 'zu groß für die kleinsten Pakete: äöü', false);
  pair.runUntil(() => isOver(pair));
  const { end } = pair.made;
  assert.ok(end?.kind === 'closed');
  assert.equal(end.reason, 'zu groß für die kleinste');
});

test('words that belong to no farewell of this end change nothing', () => {
  const pair = Pair.opened();
  pair.inject('active', encodeClosed(pair.active.tag));
  pair.inject('active', encodeClose(pair.active.tag + 1, 4000, 'of another link', 100));
  pair.inject('active', encodeClosed(0));
  pair.run(1_000);
  assert.equal(pair.active.state, 'open');
  assert.deepEqual(pair.posts, []);
});

function linkOf(pair: Pair, end: End): Link {
  return end === 'active' ? pair.active : pair.made;
}

/** More than what the other end keeps, if it takes nothing: of three messages the last does not get through. */
function sendTooMuch(pair: Pair, who: End): void {
  for (let index = 0; index < 3; index++) linkOf(pair, who).send(message(9_000, index));
}

function isOver(pair: Pair): boolean {
  return pair.active.end !== undefined && pair.made.end !== undefined;
}

/** Nothing is ever said again. */
function isQuiet(pair: Pair): void {
  pair.run(10_000); // what is on the way
  const before = pair.posts.length;
  pair.run(3_600_000);
  assert.equal(pair.posts.length, before);
  assert.equal(pair.active.wakeAt(pair.now), Infinity);
  assert.equal(pair.made.wakeAt(pair.now), Infinity);
}
