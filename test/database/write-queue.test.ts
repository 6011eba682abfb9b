/** The bodies that wait to be written are bounded by their size, not by their number alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHawserError } from '../../src/errors.js';
import { EditQueue, settleJobs, type EditJob } from '../../src/database/edit-queue.js';
import { openDatabase, refuses } from './fixtures.js';

const MIB = 1024 * 1024;

test('large bodies are refused once 64 MiB wait, and taken again when they are written', async (context) => {
  const database = await openDatabase(context);
  const collection = database.collection<{ text: string }>('metrics');
  const text = 'x'.repeat(4 * MIB - 11); // with its {"text":""} exactly 4 MiB
  const attempt = async (id: string): Promise<string> => {
    try {
      await collection.save(id, { text });
      return 'saved';
    } catch (error) {
      assert.ok(isHawserError(error) && error.retryable);
      assert.match(error.message, /bodies of more than 67108864 characters wait to be written/);
      return error.code;
    }
  };
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => attempt(`doc-${n}`)));
  assert.deepEqual(outcomes, [...Array<string>(16).fill('saved'), ...Array<string>(4).fill('WRITE_QUEUE_FULL')]);
  assert.equal(await attempt('doc-16'), 'saved');
  assert.equal(await collection.count(), 17);
  await database.inBatch(async (batch) => {
    const inside = batch.collection<{ text: string }>('metrics');
    const saves = Array.from({ length: 17 }, (_, n) => inside.save(`batch-${n}`, { text }));
    const [last] = saves.slice(-1);
    await refuses(last!, 'WRITE_QUEUE_FULL', 'bodies');
    await Promise.allSettled(saves);
  });
  assert.equal(await collection.count(), 33);
});

test('what needs no body is not held up by those that do, and one alone may be as long as it likes', async () => {
  const groups: number[] = [];
  const run = async (group: readonly EditJob[]): Promise<void> => {
    groups.push(group.length);
    settleJobs(
      group,
      group.map(({ ids }) => ({ value: ids[0] })),
    );
  };
  const queue = new EditQueue(run, { maxGroup: 10, maxWaiting: 4, maxWaitingLength: 100 });
  const state = { key: 1, scope: '_default', name: 'metrics', lastSequence: 0, deleted: false, bodyKeepers: 0 };
  const add = (id: string, length?: number): Promise<unknown> => queue.add(state, [id], () => undefined, length);
  const waiting = [add('long', 1_000), add('short'), add('shorter', 0)];
  const tooLong = refuses(add('more', 1), 'WRITE_QUEUE_FULL', 'more than 100 characters');
  waiting.push(add('fourth'));
  const tooMany = refuses(add('fifth'), 'WRITE_QUEUE_FULL', 'more than 4 documents');
  await Promise.all([tooLong, tooMany]);
  assert.deepEqual(await Promise.all(waiting), ['long', 'short', 'shorter', 'fourth']);
  assert.deepEqual(await Promise.all([add('a', 60), add('b', 40)]), ['a', 'b']);
  assert.deepEqual(groups, [4, 2]);
});
