/** A line that several links share: what leaves, who goes first, and who waits for whom. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHawserError } from '../../src/index.js';
import { SharedRate, type LinkPriority, type RateShare } from '../../transports/link/index.js';
import { checkPriority, MAX_WAIT_MS } from '../../transports/link/machine/shared-rate.js';

interface Talker {
  readonly priority: LinkPriority;
  readonly packetSize: number;
  /** When it has something to send; always if left out. */
  readonly speaksAt?: number;
  /** From when on its medium is stuck, and it does not even ask. */
  readonly isStuckFrom?: number;
}

interface Sent {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

/** What leaves on a line whose links ask again at the time they were told, in the order in which they set their timers. */
function line(rate: SharedRate, talkers: Readonly<Record<string, Talker>>, forMs: number): Sent[] {
  const sent: Sent[] = [];
  const timers = Object.entries(talkers).map(([name, talker]) => {
    return { name, talker, share: rate.share(talker.priority), at: talker.speaksAt ?? 0 };
  });
  for (let now = 0; now < forMs;) {
    timers.sort((a, b) => a.at - b.at); // stable: of two at the same time the one that was set first
    const timer = timers.shift();
    assert.ok(timer !== undefined);
    const { name, talker, share } = timer;
    now = Math.max(now, timer.at);
    const at = now < (talker.isStuckFrom ?? Infinity) ? sendAll(name, talker, share, now, sent) : Infinity;
    timers.push({ ...timer, at: Math.ceil(at) }); // timers know whole milliseconds
  }
  return sent;
}

/** Returns when it may send again. */
function sendAll(name: string, { packetSize }: Talker, share: RateShare, now: number, sent: Sent[]): number {
  for (;;) {
    const at = share.readyAt(now);
    if (at > now) return at;
    share.spend(packetSize, now);
    sent.push({ name, at: now, bytes: packetSize });
  }
}

function bytesOf(sent: readonly Sent[], name?: string): number {
  return sent.reduce((sum, { name: who, bytes }) => sum + (who === (name ?? who) ? bytes : 0), 0);
}

/** The longest time between two packets of `name`, or until its first. */
function longestWait(sent: readonly Sent[], name: string): number {
  const times = [0, ...sent.filter((packet) => packet.name === name).map(({ at }) => at)];
  return Math.max(...times.map((at, index) => at - (times[index - 1] ?? 0)));
}

const LARGEST = 200;
const normal: Talker = { priority: 'normal', packetSize: 50 };

describe('the options of a SharedRate', () => {
  const cases: readonly [string, unknown, string][] = [
    ['a rate below 10', { bytesPerSecond: 9 }, 'ARGUMENT_INVALID'],
    ['a rate that is no number', { bytesPerSecond: '960' }, 'ARGUMENT_INVALID'],
    ['an endless rate', { bytesPerSecond: Infinity }, 'ARGUMENT_INVALID'],
    ['a burst below zero', { bytesPerSecond: 960, burstMs: -1 }, 'ARGUMENT_INVALID'],
    ['a burst of more than a minute', { bytesPerSecond: 960, burstMs: 60_001 }, 'ARGUMENT_INVALID'],
    ['an option that does not exist', { bytesPerSecond: 960, burst: 1 }, 'OPTION_UNKNOWN'],
  ];
  for (const [what, options, code] of cases) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => new SharedRate(options as { bytesPerSecond: number }),
        (error) => isHawserError(error) && error.code === code,
      );
    });
  }

  test('refuses a priority that does not exist', () => {
    assert.throws(
      () => checkPriority('test', 'urgent'),
      (error) => isHawserError(error) && error.code === 'ARGUMENT_INVALID' && error.message.includes('urgent'),
    );
  });
});

for (const bytesPerSecond of [120, 960, 11_520, 1_000_000]) {
  for (const [names, talkers] of [
    ['one link', { one: normal }],
    [
      'three links',
      { one: normal, two: { priority: 'high', packetSize: LARGEST }, three: { ...normal, packetSize: 11 } },
    ],
  ] as const) {
    test(`keeps ${bytesPerSecond} bytes a second over any time, and uses them, with ${names}`, () => {
      const burstMs = 30;
      const sent = line(new SharedRate({ bytesPerSecond, burstMs }), talkers, 20_000);
      const allowed = (ms: number): number => ((ms + burstMs) * bytesPerSecond) / 1_000 + LARGEST;
      for (let from = 0; from < sent.length; from += 1 + (sent.length >> 6)) {
        let bytes = 0;
        const start = sent[from]?.at ?? 0;
        for (const packet of sent.slice(from)) {
          bytes += packet.bytes;
          const most = allowed(packet.at - start);
          if (bytes > most + 1e-6) assert.fail(`${bytes} bytes from ${start} to ${packet.at}, not ${most}`);
        }
      }
      const used = bytesOf(sent) / (20 * bytesPerSecond);
      assert.ok(used > 0.97, `${used} of the line is used`);
    });
  }
}

// On a slow line a packet takes longer than anybody would be waited for who has gone away.
for (const [packetMs, packetSize] of [
  [21, 20],
  [104, 100],
  [260, 250],
] as const) {
  const rate = (): SharedRate => new SharedRate({ bytesPerSecond: 960 });
  for (const order of ['first', 'last']) {
    test(`lets the higher priority go first, with packets of ${packetMs} ms, if it asks ${order}`, () => {
      const high: Talker = { priority: 'high', packetSize };
      const low: Talker = { priority: 'low', packetSize };
      const sent = line(rate(), order === 'first' ? { high, low } : { low, high }, 60_000);
      assert.ok(bytesOf(sent, 'high') > 2 * bytesOf(sent, 'low'), 'high has most of the line');
      assert.ok(longestWait(sent, 'high') <= 3 * packetMs + 2);
      assert.ok(longestWait(sent, 'low') <= MAX_WAIT_MS + 2 * packetMs + 2, `low waits ${longestWait(sent, 'low')} ms`);
    });
  }

  test(`lets links of the same priority take turns, with packets of ${packetMs} ms`, () => {
    const talker: Talker = { priority: 'normal', packetSize };
    const sent = line(rate(), { one: talker, two: talker, three: talker }, 60_000);
    const shares = ['one', 'two', 'three'].map((name) => bytesOf(sent, name));
    assert.ok(Math.min(...shares) > 0.9 * Math.max(...shares), `they have ${shares.join()} bytes`);
  });

  test(`waits only a moment for one that is stuck, with packets of ${packetMs} ms`, () => {
    const talker: Talker = { priority: 'low', packetSize };
    const stuck: Talker = { priority: 'high', packetSize, isStuckFrom: 1 };
    const sent = line(rate(), { stuck, talker }, 60_000);
    assert.ok(longestWait(sent, 'talker') <= 2 * packetMs + 150, `waits ${longestWait(sent, 'talker')} ms`);
    assert.ok(bytesOf(sent, 'talker') > 0.95 * 60 * 960);
  });
}

for (const packetSize of [100, 1_000]) {
  test(`loses nothing of a fast line, and shuts nobody out, when equals share it with packets of ${packetSize} bytes`, () => {
    const talker: Talker = { priority: 'normal', packetSize };
    const sent = line(new SharedRate({ bytesPerSecond: 1_000_000 }), { one: talker, two: talker }, 2_000);
    assert.ok(bytesOf(sent) > 0.97 * 2_000_000, `${bytesOf(sent)} bytes`);
    const [one, two] = [bytesOf(sent, 'one'), bytesOf(sent, 'two')];
    assert.ok(one > two / 10 && two > one / 10, `they have ${one} and ${two} bytes`);
  });
}

test('does not wait for one that has nothing to send any more, or that was released', () => {
  const rate = new SharedRate({ bytesPerSecond: 1_000 });
  const [high, low] = [rate.share('high'), rate.share('low')];
  assert.equal(high.readyAt(0), 0);
  assert.ok(low.readyAt(0) > 0);
  high.pass();
  assert.equal(low.readyAt(0), 0);
  assert.equal(high.readyAt(0), 0);
  assert.ok(low.readyAt(0) > 0);
  high.release();
  assert.equal(low.readyAt(0), 0);
});

test('counts one that was released as any other once it asks again: the next link of an acceptor has the same', () => {
  const rate = new SharedRate({ bytesPerSecond: 1_000 });
  const [high, low] = [rate.share('high'), rate.share('low')];
  high.release();
  assert.equal(high.readyAt(0), 0);
  assert.ok(low.readyAt(0) > 0);
  high.spend(10, 0);
  assert.equal(low.readyAt(0), 0);
});

test('tells when the last byte will have left', () => {
  const share = new SharedRate({ bytesPerSecond: 1_000 }).share();
  assert.equal(share.spend(100, 0), 100);
  assert.equal(share.spend(100, 0), 200);
  assert.equal(share.readyAt(0), 170); // 30 ms ahead of time
  assert.equal(share.spend(50, 1_000), 1_050);
});
