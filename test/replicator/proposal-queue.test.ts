import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred, type Deferred } from '../../src/base/index.js';
import { ProposalQueue } from '../../src/replicator/proposal-queue.js';
import { MAX_UNANSWERED_LISTS, MIN_UNANSWERED_LISTS } from '../../src/replicator/tuning.js';

const LIST = 200;

function queue() {
  const lists: { readonly list: readonly number[]; readonly answer: Deferred<void> }[] = [];
  const proposals = new ProposalQueue<number>(LIST, (list) => {
    const answer = deferred();
    lists.push({ list, answer });
    return answer.promise;
  });
  return { lists, proposals };
}

/** Long enough for everything that waits for nothing but a turn. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe('ProposalQueue', () => {
  it('puts into one list what is added in one turn, and sends at once', async () => {
    const { lists, proposals } = queue();
    for (const entry of [1, 2, 3]) proposals.add(entry);
    await turns();
    proposals.add(4);
    await turns();
    assert.deepEqual(
      lists.map(({ list }) => list),
      [[1, 2, 3], [4]],
    );
  });

  it('lets what waits for an answer grow into long lists', async () => {
    const { lists, proposals } = queue();
    for (let entry = 0; entry < 500; entry++) {
      proposals.add(entry);
      await turns();
    }
    assert.equal(lists.length, MIN_UNANSWERED_LISTS);
    assert.equal(proposals.size, 500);
    for (let next = 0; next < lists.length; next++) {
      lists[next]?.answer.resolve();
      await turns();
    }
    await proposals.idle();
    assert.deepEqual(
      lists.map(({ list }) => list.length),
      [1, 1, LIST, LIST, 500 - MIN_UNANSWERED_LISTS - 2 * LIST],
    );
    assert.deepEqual(
      lists.flatMap(({ list }) => list),
      Array.from({ length: 500 }, (_, index) => index),
    );
  });

  it('lets more lists wait for their answers where these find nothing on its way', async () => {
    const { lists, proposals } = queue();
    for (let entry = 0; entry < LIST * 30; entry++) proposals.add(entry);
    await turns();
    for (let answered = 0; answered < 15; answered++) {
      proposals.answered(true);
      lists[answered]?.answer.resolve();
      await turns();
    }
    assert.equal(lists.length - 15, MAX_UNANSWERED_LISTS);
    for (let answered = 15; answered < 30; answered++) {
      proposals.answered(false);
      lists[answered]?.answer.resolve();
      await turns();
      if (answered === 25) assert.equal(lists.length - 26, MIN_UNANSWERED_LISTS);
    }
    await proposals.idle();
  });

  it('has room when nothing waits for its turn, and is idle when all is answered', async () => {
    const { lists, proposals } = queue();
    const events: string[] = [];
    for (let entry = 0; entry < LIST * (MIN_UNANSWERED_LISTS + 1); entry++) proposals.add(entry);
    void proposals.taken().then(() => events.push('taken'));
    void proposals.idle().then(() => events.push('idle'));
    await turns();
    assert.deepEqual(events, []);
    lists[0]?.answer.resolve();
    await turns();
    assert.deepEqual(events, ['taken']);
    for (const { answer } of lists) answer.resolve();
    await turns();
    assert.deepEqual(events, ['taken', 'idle']);
    await proposals.taken();
    await proposals.idle();
  });
});
