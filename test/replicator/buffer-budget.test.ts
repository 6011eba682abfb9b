import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferBudget } from '../../src/replicator/index.js';

function budgetOf(maxBytes: number) {
  const budget = new BufferBudget(maxBytes);
  const ended: string[] = [];
  const join = (name: string, group?: string) => budget.share(({ code }) => ended.push(`${name} ${code}`), group);
  return { budget, ended, join };
}

describe('BufferBudget', () => {
  test('ends the one that holds most, and not the one that came last', () => {
    const { budget, ended, join } = budgetOf(100);
    const [small, hog, last] = [join('small'), join('hog'), join('last')];
    small.set(30);
    hog.set(50);
    last.set(20);
    assert.deepEqual([budget.total, ended], [100, []]);
    last.set(21);
    assert.deepEqual([budget.total, ended], [51, ['hog BLIP_BUFFER_FULL']]);
    hog.set(1_000);
    hog.end();
    assert.deepEqual([budget.total, ended.length], [51, 1], 'who has gone counts no more');
  });

  test('counts those of one address together, and ends the largest of them', () => {
    const { budget, ended, join } = budgetOf(100);
    const [first, second, third] = [join('first', 'there'), join('second', 'there'), join('third', 'there')];
    const honest = join('honest', 'here');
    first.set(20);
    second.set(21);
    third.set(20);
    honest.set(40);
    assert.deepEqual([budget.total, ended], [80, ['second BLIP_BUFFER_FULL']]);
    honest.set(61);
    assert.deepEqual(ended.at(-1), 'honest BLIP_BUFFER_FULL', 'now it is the honest one that holds most');
  });

  test('gives back what is not held any more', () => {
    const { budget, ended, join } = budgetOf(100);
    const share = join('one');
    for (let round = 0; round < 10; round++) {
      share.set(90);
      share.set(0);
    }
    join('two').set(100);
    share.end();
    share.end();
    assert.deepEqual([budget.total, ended], [100, []]);
  });

  test('ends one that alone holds more', () => {
    const { budget, ended, join } = budgetOf(100);
    join('one').set(101);
    assert.deepEqual([budget.total, ended], [0, ['one BLIP_BUFFER_FULL']]);
  });
});
