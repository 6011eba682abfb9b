import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { formatHistory, parseHistory } from '../../src/revision/index.js';
import { randomHistory, randomInteger, randomRevisionID } from './random-branch.js';

const nobody = (): boolean => false;
const only =
  (...ids: string[]) =>
  (id: string): boolean =>
    ids.includes(id);

/** Revision IDs of falling generations. */
function line(from: number, to: number): string[] {
  return Array.from({ length: from - to + 1 }, (_, index) => `${from - index}-aa`);
}

test('refuses what holds something else than revision IDs', () => {
  for (const history of ['junk', '2-aa,', ',2-aa', '2-aa,,1-aa', '2-AA', '2-aa;1-aa', '2-aa 1-aa', '1@AAAA']) {
    assert.throws(() => parseHistory('3-cc', history, nobody), { code: 'REVISION_ID_INVALID' }, history);
  }
  assert.throws(() => parseHistory('3-c', '2-aa', nobody), {
    code: 'REVISION_ID_INVALID',
    message: '"3-c" is not a revision ID',
  });
});

test('refuses generations that do not fall by one', () => {
  for (const [rev, history] of [
    ['5-aa', '3-bb'],
    ['5-aa', '5-bb'],
    ['5-aa', '6-bb'],
    ['3-aa', '2-bb,3-aa'],
    ['9-aa', '8-bb,7-cc,5-dd'],
  ] as const) {
    assert.throws(() => parseHistory(rev, history, nobody), { code: 'REVISION_HISTORY_INVALID' }, history);
  }
  assert.throws(() => parseHistory('9-aa', '8-bb,6-cc', nobody), {
    message: 'the history of revision 9-aa goes from generation 8 to 6',
  });
});

test('refuses generations that rise, even before a known revision', () => {
  assert.throws(() => parseHistory('5-aa', '5-bb', only('5-bb')), { code: 'REVISION_HISTORY_INVALID' });
  assert.throws(() => parseHistory('5-aa', '4-aa,4-bb', only('4-aa', '4-bb')), { code: 'REVISION_HISTORY_INVALID' });
});

test('reads ancestors newest first, with spaces behind commas and zeros before generations', () => {
  assert.deepEqual(parseHistory('3-cc', '2-bb, 1-aa', nobody), ['2-bb', '1-aa']);
  assert.deepEqual(parseHistory('3-cc', ' 02-bb ,01-aa ', nobody), ['2-bb', '1-aa']);
  for (const absent of [undefined, '', '  ']) assert.deepEqual(parseHistory('3-cc', absent, nobody), []);
});

test('takes a history that ends early', () => {
  assert.deepEqual(parseHistory('5-aa', '4-bb', nobody), ['4-bb']);
  assert.deepEqual(parseHistory('5-aa', undefined, nobody), []);
});

test('takes a gap just before a revision that is known', () => {
  assert.deepEqual(parseHistory('8-aa', '7-aa,3-aa', only('3-aa')), ['7-aa', '3-aa']);
  assert.deepEqual(parseHistory('8-aa', '3-aa,2-aa', only('3-aa')), ['3-aa', '2-aa']);
  assert.throws(() => parseHistory('8-aa', '7-aa,3-aa,2-aa', only('2-aa')), { code: 'REVISION_HISTORY_INVALID' });
});

test('leaves out what lies behind a gap below a known revision', () => {
  assert.deepEqual(parseHistory('8-aa', '7-aa,6-aa,2-aa,1-aa', only('7-aa')), ['7-aa', '6-aa']);
});

test('takes a gap behind fifty revisions and leaves out the rest, unless it is known', () => {
  for (const [ancestors, isTaken] of [
    [19, false],
    [20, false],
    [48, false],
    [49, true],
    [50, true],
    [55, true],
  ] as const) {
    const sequential = line(99, 100 - ancestors);
    const history = [...sequential, '9-aa', '8-aa'].join(',');
    if (isTaken) assert.deepEqual(parseHistory('100-aa', history, nobody), sequential);
    else assert.throws(() => parseHistory('100-aa', history, nobody), { code: 'REVISION_HISTORY_INVALID' });
    assert.deepEqual(parseHistory('100-aa', history, only('9-aa')), [...sequential, '9-aa', '8-aa']);
  }
});

test('counts the revision itself in maxHistory', () => {
  const ancestors = line(7, 1);
  for (const [maxHistory, count] of [
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 2],
    [50, 7],
    [undefined, 7],
  ] as const) {
    assert.equal(formatHistory(ancestors, maxHistory, nobody), ancestors.slice(0, count).join(','), String(maxHistory));
  }
  assert.equal(formatHistory(line(99, 1), undefined, nobody), line(99, 51).join(','), 'fifty revisions by default');
});

test('stops at the first ancestor that the receiver knows', () => {
  assert.equal(formatHistory(line(7, 1), 50, only('5-aa', '4-aa')), '7-aa,6-aa,5-aa');
  assert.equal(formatHistory(line(7, 1), 2, only('7-aa')), '7-aa');
  assert.equal(formatHistory([], 50, nobody), '');
});

test('names the known ancestor even in place of the one before it', () => {
  assert.equal(formatHistory(line(7, 1), 3, only('3-aa')), '7-aa,3-aa');
  assert.equal(formatHistory(line(7, 1), 2, only('3-aa')), '3-aa');
  assert.equal(formatHistory(line(7, 1), 1, only('3-aa')), '');
  assert.equal(formatHistory(line(7, 1), 6, only('3-aa')), '7-aa,6-aa,5-aa,4-aa,3-aa');
  assert.equal(formatHistory(line(7, 1), 5, only('3-aa')), '7-aa,6-aa,5-aa,3-aa');
});

test('ends before a gap that the receiver would refuse', () => {
  assert.equal(formatHistory(['7-aa', '3-aa', '2-aa'], 50, nobody), '7-aa');
  assert.equal(formatHistory(['7-aa', '3-aa', '2-aa'], 50, only('2-aa')), '7-aa,2-aa');
  assert.equal(formatHistory(['5-aa', '4-aa'], 50, nobody, '8-aa'), '');
  assert.equal(formatHistory(['5-aa', '4-aa'], 50, only('4-aa'), '8-aa'), '4-aa');
  assert.equal(formatHistory(['7-aa', '6-aa'], 50, nobody, '8-aa'), '7-aa,6-aa');
});

test('is read back by a receiver, who finds the ancestor that both know', () => {
  const random = seededRandom(17);
  for (let round = 0; round < 5000; round++) {
    const generation = 1 + randomInteger(random, 90);
    const rev = randomRevisionID(random, generation);
    const ancestors = randomHistory(random, generation, randomInteger(random, 90)).filter(() => random.next() > 0.01);
    const known = new Set(ancestors.filter(() => random.next() < 0.05));
    const isKnown = (id: string): boolean => known.has(id);
    const maxHistory = 2 + randomInteger(random, 60);
    const received = parseHistory(rev, formatHistory(ancestors, maxHistory, isKnown, rev), isKnown);
    const where = `seed 17, round ${round}: ${rev} ${ancestors.join(',')}`;
    assert.ok(received.length < maxHistory, where);
    assert.equal(received.find(isKnown), ancestors.find(isKnown), where);
    assert.deepEqual(
      ancestors.filter((id) => received.includes(id)),
      received,
      where,
    );
  }
});
