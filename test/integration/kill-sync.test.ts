/**
 * Two processes that sync over wss are killed in turn, in the middle of it (scenario 240): nothing that was there before is
 * lost, nothing is damaged, and what is left goes on from the checkpoint.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { Database, seededRandom } from '../../src/index.js';
import { startChild, type TestChild } from '../support/child-process.js';
import { effort } from '../support/effort.js';
import { contents } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const DOCUMENTS = 4_000;
const KILLS = effort(20);

/** Reads lines until one matches. */
async function lineOf(child: TestChild, wanted: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const line = await child.line();
    if (line === undefined) throw new Error(`the process ended before it said ${wanted}: ${child.errors()}`);
    const match = wanted.exec(line);
    if (match !== null) return match;
  }
}

async function fill(folder: string, prefix: string): Promise<void> {
  const database = await Database.open(folder);
  const metrics = database.collection('metrics');
  await Promise.all(
    Array.from({ length: DOCUMENTS }, (_, index) => metrics.save(`${prefix}-${index}`, { prefix, index })),
  );
  await database.close();
}

async function listen(context: TestContext, folder: string, port: string): Promise<{ child: TestChild; port: string }> {
  const child = startChild(context, 'sync-process.ts', ['listen', folder, port]);
  const [, actual = ''] = await lineOf(child, /^listening (\d+)$/);
  return { child, port: actual };
}

it(
  'both sides survive being killed in the middle of a sync, again and again',
  { timeout: 120_000 },
  async (context) => {
    const seed = Number(process.env['KILL_SEED'] ?? 11);
    context.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const root = await temporaryDirectory(context);
    const [ship, shore] = [join(root, 'ship'), join(root, 'shore')];
    await fill(ship, 'ship');
    await fill(shore, 'shore');

    let listener = await listen(context, ship, '0');
    const { port } = listener;
    let replicator = startChild(context, 'sync-process.ts', ['replicate', shore, port]);
    for (let kill = 0; kill < KILLS; kill++) {
      // The replicator's word counts for both: it hears of the other end, and says idle again after each reconnection.
      for (let lines = Math.floor(random.next() * 3); lines >= 0; lines--)
        await lineOf(replicator, /^(committed|idle)/);
      const victim = random.next() < 0.5 ? 'listener' : 'replicator';
      const child = victim === 'listener' ? listener.child : replicator;
      await child.kill();
      if (victim === 'listener') listener = await listen(context, ship, port);
      else replicator = startChild(context, 'sync-process.ts', ['replicate', shore, port]);
    }
    await lineOf(replicator, /^idle/);
    await replicator.kill();
    await listener.child.kill();

    const databases = [await Database.open(ship), await Database.open(shore)];
    const [onShip, onShore] = await Promise.all(databases.map((database) => contents(database.collection('metrics'))));
    assert.equal(onShip?.length, 2 * DOCUMENTS, `seed ${seed}`);
    assert.deepEqual(onShore, onShip, `seed ${seed}`);
    for (const database of databases) {
      assert.deepEqual(await database.integrityCheck(), []);
      await database.close();
    }
  },
);
