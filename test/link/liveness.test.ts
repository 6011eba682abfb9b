/** An idle link costs one exchange a keep-alive; a peer that is gone is given up, and one that is slow is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { LATENCY_MS, LINK, message, Pair, ROUND_TRIP_MS, type Medium } from './pair.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const HOUR_MS = 3_600_000;
const { giveUpMs, keepAliveMs, maxTimeoutMs } = LINK;

const deaf: Medium = () => [];

describe('an idle link', () => {
  for (const jitterMs of [0, 1, 40]) {
    test(`costs exactly one exchange every keepAliveMs, over an hour, with ${jitterMs} ms of jitter, seed ${SEED}`, () => {
      const random = seededRandom(SEED);
      const pair = Pair.opened();
      pair.medium = () => [LATENCY_MS + random.next() * jitterMs];
      pair.run(HOUR_MS);
      const most = HOUR_MS / keepAliveMs;
      const questions = pair.posts.filter(({ packet }) => packet.kind === 'acknowledgement' && packet.wantsAnswer);
      assert.ok(questions.length <= most && questions.length > most * 0.97, `${questions.length} questions`);
      assert.equal(pair.posts.length, 2 * questions.length);
    });
  }

  test('asks nothing while something else is said', () => {
    const pair = Pair.opened();
    for (let spoken = 0; spoken < 100; spoken++) {
      (spoken % 2 === 0 ? pair.active : pair.made).send(message(5));
      pair.run(keepAliveMs * 0.9);
    }
    assert.deepEqual(
      pair.trace().filter((line) => line.includes('question')),
      [],
    );
  });

  test('notices at either end that the other is gone, after keepAliveMs and giveUpMs', () => {
    const pair = Pair.opened();
    const start = pair.now;
    pair.medium = deaf;
    pair.run(keepAliveMs + giveUpMs - ROUND_TRIP_MS * 4);
    assert.equal(pair.active.state, 'open');
    pair.runUntil(() => pair.active.end !== undefined && pair.made.end !== undefined);
    assert.equal(pair.active.end?.kind, 'silent');
    assert.equal(pair.made.end?.kind, 'silent');
    assert.ok(pair.now - start <= 1.1 * keepAliveMs + giveUpMs);
  });
});

describe('a peer that owes an answer', () => {
  test('is given up giveUpMs after it was owed, and not before', () => {
    const pair = Pair.opened();
    pair.medium = deaf;
    pair.active.send(message(10));
    const start = pair.now;
    pair.run(giveUpMs - 1);
    assert.equal(pair.active.end, undefined);
    pair.runUntil(() => pair.active.end !== undefined);
    assert.equal(pair.now - start, giveUpMs);
    assert.deepEqual(pair.active.end, {
      kind: 'silent',
      reason: 'the peer went silent: nothing was heard for 20 s',
    });
    assert.equal(pair.active.wakeAt(pair.now), Infinity);
    assert.equal(pair.active.silentAt, Infinity);
    assert.equal(pair.active.queuedBytes, 0);
  });

  test('has giveUpMs again from the last time it was heard', () => {
    const pair = Pair.opened();
    pair.medium = ({ packet }) => (packet.kind === 'data' ? [] : [LATENCY_MS]);
    pair.active.send(message(10));
    pair.run(giveUpMs - 100);
    pair.made.send(message(10)); // lost too, but the question after it is not
    pair.medium = ({ from }) => (from === 'passive' ? [LATENCY_MS] : []);
    pair.run(100);
    const heardAt = pair.now - 100 + LATENCY_MS;
    assert.equal(pair.active.end, undefined);
    pair.medium = deaf;
    pair.runUntil(() => pair.active.end !== undefined);
    assert.equal(pair.now, heardAt + giveUpMs);
  });

  test('is given up by a medium that takes no packets, too', () => {
    const pair = Pair.opened();
    pair.medium = deaf;
    pair.active.send(message(10));
    pair.run(1);
    const { silentAt } = pair.active;
    pair.active.passTime(silentAt - 1);
    assert.equal(pair.active.state, 'open');
    pair.active.passTime(silentAt);
    assert.equal(pair.active.end?.kind, 'silent');
  });

  test('is given up while the link is being closed, too', () => {
    for (const flush of [true, false]) {
      const pair = Pair.opened();
      pair.medium = deaf;
      pair.active.send(message(10));
      pair.run(1_000);
      pair.active.close(1000, '', flush);
      pair.run(giveUpMs);
      assert.equal(pair.active.end?.kind, 'silent');
    }
  });
});

describe('a silence in the middle of a transfer', () => {
  // What is repeated after it needs its time: the longest pause between two attempts, and a round trip.
  const longest = giveUpMs - maxTimeoutMs - 2 * ROUND_TRIP_MS;
  const media: readonly [string, number, (from: number, to: number) => Medium][] = [
    [
      'loses everything',
      longest,
      (from, to) =>
        ({ at }) =>
          at >= from && at < to ? [] : [LATENCY_MS],
    ],
    [
      'brings everything late',
      giveUpMs - ROUND_TRIP_MS - 1,
      (from, to) =>
        ({ at }) => [LATENCY_MS + (at >= from && at < to ? to - at : 0)],
    ],
  ];
  for (const [what, silenceMs, medium] of media) {
    test(`of ${silenceMs} of ${giveUpMs} ms is survived, on a medium that ${what} meanwhile`, () => {
      for (let start = 0; start < 600; start += 25) {
        const pair = Pair.opened();
        pair.medium = medium(pair.now + start, pair.now + start + silenceMs);
        for (let index = 0; index < 8; index++) {
          pair.active.send(message(3_000, index));
          pair.made.send(message(3_000, index));
        }
        pair.runUntil(() => pair.heard.passive.length === 8 && pair.heard.active.length === 8);
        pair.run(1_000);
        assert.equal(pair.active.end, undefined);
        assert.equal(pair.made.end, undefined);
      }
    });
  }
});
