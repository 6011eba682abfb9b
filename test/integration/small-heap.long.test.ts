/**
 * Devices with little memory: each end of a sync has a heap of 48 MiB and several times as much to push and to pull, in large
 * documents. Both live on, since all that waits is bounded; one that is killed for its memory all the same loses nothing.
 * Runs the built package: `npm run build` comes first.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Device } from '../power/device.js';
import { cleanup } from '../support/cleanup.js';
import { silentLogger } from '../../src/base/index.js';
import { Database } from '../../src/database/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const HEAP = '--max-old-space-size=48';
/** Of 300 KB on average, on each side. */
const DOCUMENTS = 200;
const SIZE = 600_000;

test('two devices with a heap of 48 MiB sync 120 MB, and go on after a kill', { timeout: 240_000 }, async (context) => {
  const parent = await temporaryDirectory(context);
  const device = (name: string, role: 'listen' | 'replicate'): Device => {
    const made = new Device({ name, parent, fullSync: false, role, env: { NODE_OPTIONS: HEAP } });
    cleanup(context, () => made.kill());
    return made;
  };
  const [shore, ship] = [device('shore', 'listen'), device('ship', 'replicate')];
  const port = await shore.start('0');
  await ship.start(port);
  for (const [seed, each] of [shore, ship].entries()) each.tell(`write 0 ${seed} ${SIZE} ${DOCUMENTS}`);
  for (const each of [shore, ship]) await each.ask('finish', /^finished$/);

  // As the kernel ends a process that has used up the memory.
  await ship.kill();
  const database = await Database.open(ship.folder, { logger: silentLogger });
  await ship.book.check(database, false);
  assert.deepEqual(await database.integrityCheck(), []);
  await database.close();
  await ship.start(port);

  await ship.ask('settle', /^settled$/);
  const contents = await Promise.all([shore, ship].map((each) => each.ask('contents', /^contents (\d+) \w+$/)));
  assert.equal(contents[1]?.[0], contents[0]?.[0]);
  assert.ok(Number(contents[0]?.[1]) >= DOCUMENTS, `${contents[0]?.[1]} documents`);
  assert.deepEqual([...shore.refusals, ...ship.refusals], []);
});
