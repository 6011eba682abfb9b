/**
 * Our replicator against stubs that behave as recorded: refusing, overloaded, terse. Where the recorded client loses
 * documents or calls again every two seconds for ever, ours has to do better.
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { deferred, type MessageEndpointConnection, type RandomSource, type Replicator } from '../../src/index.js';
import { loadStubLog } from '../support/replay/capture.js';
import { emptyDatabase, prepareClient } from '../support/replay/databases.js';
import { Deadline } from '../support/replay/deadline.js';
import { meaningOf } from '../support/replay/meaning.js';
import { PassiveCore } from '../support/replay/passive-core.js';
import { clientMeaning, replay, replicatorOf } from '../support/replay/replicate.js';
import { skipWithout } from '../support/shared-data.js';
import { VirtualClock } from '../support/virtual-clock.js';

const bothWays = { type: 'pushAndPull' } as const;

interface Row {
  readonly log: string;
  readonly title: string;
  readonly error?: string;
  readonly problems?: readonly string[];
}

/** Where ours means what the recorded client meant. */
const rows: readonly Row[] = [
  { log: 'ok-uncompressed', title: 'takes replies that are not compressed' },
  { log: 'empty', title: 'takes an empty reply to its proposals as consent' },
  { log: 'cp409', title: 'learns the revision of a checkpoint that conflicts, and overwrites it' },
  { log: 'gcnull', title: 'stops where the collection is unknown', error: 'REMOTE_COLLECTION_NOT_FOUND' },
  // The recorded client reports the document twice.
  { log: 'rev403', title: 'proposes a forbidden revision once more, then passes on', problems: ['s1 ACCESS_DENIED'] },
];

describe('our replicator against recorded stubs', skipWithout('captures'), () => {
  for (const row of rows) {
    test(`31-stub-${row.log}: ${row.title}`, async (context) => {
      const deadline = new Deadline(context);
      const database = await emptyDatabase(context);
      const log = loadStubLog(row.log);
      await prepareClient(database, log);

      const { transcript, closeCode, problems, error } = await replay(database, log, deadline, bothWays);

      assert.deepEqual(await clientMeaning(database, log, transcript), meaningOf(log.transcript, 'active'));
      assert.equal(closeCode, log.closeCode);
      assert.equal(error?.code, row.error);
      assert.deepEqual(
        problems.map((problem) => `${problem.documentID} ${problem.error.code}`),
        row.problems ?? [],
      );
    });
  }

  // The recorded client gives up here; a peer from before collections can do all that a default collection needs.
  test('31-stub-gc404: goes on in legacy mode with the default collection', async (context) => {
    const deadline = new Deadline(context);
    const database = await emptyDatabase(context);
    const log = loadStubLog('gc404');
    const connected = deferred<PassiveCore>();
    const accept = (end: MessageEndpointConnection): void => connected.resolve(new PassiveCore(end, log, deadline));
    const replicator = replicatorOf(database, log, accept, bothWays);
    replicator.start();
    const core = await deadline.wait('the replicator to connect', connected.promise);
    const label = 'active: getCheckpoint #1'; // of no collection
    await deadline.wait(label, core.transcript.until(label));
    await deadline.wait('the replicator to stop', replicator.stop());
    assert.equal(await core.closeCode(), 1000);
  });

  test('31-stub-gc404: stops with another collection', async (context) => {
    const deadline = new Deadline(context);
    const database = await emptyDatabase(context);
    const log = { ...loadStubLog('gc404'), collections: ['site.telemetry'] };
    const { closeCode, error } = await replay(database, log, deadline, bothWays);
    assert.equal(error?.code, 'REPLICATION_REMOTE_ERROR');
    assert.equal(closeCode, log.closeCode);
  });

  // The recorded client ends such a replication as if all were well, and leaves the document behind.
  test('31-stub-rev503: comes back for a revision that the peer could not take', async (context) => {
    const deadline = new Deadline(context);
    const { cores, replicator, clock } = await oneAfterTheOther(context, deadline, ['rev503', 'ok-uncompressed']);
    replicator.start();
    await deadline.wait('the replicator to be offline', untilOffline(replicator));
    assert.equal(replicator.status.error?.code, 'CONNECTION_UNAVAILABLE');
    assert.equal(await cores[0]?.closeCode(), 4001);
    assert.equal(revisionsIn(cores[0]), 1);
    await clock.advance(2_000);
    assert.equal(await deadline.wait('the replicator to stop', replicator.stopped()), undefined);
    assert.equal(revisionsIn(cores[1]), 1);
    assert.equal(await cores[1]?.closeCode(), 1000);
  });

  // The recorded client forgets its failures at every handshake, and so calls every two seconds for ever.
  test('31-stub-pcerr: waits longer each time the peer is overloaded, and pushes in the end', async (context) => {
    const deadline = new Deadline(context);
    const logs = ['pcerr', 'pcerr', 'pcerr', 'ok-uncompressed'];
    const { cores, replicator, clock } = await oneAfterTheOther(context, deadline, logs);
    replicator.start();
    for (const [index, wait] of [2_000, 4_000, 8_000].entries()) {
      await deadline.wait(`failure ${index + 1}`, untilOffline(replicator));
      assert.equal(await cores[index]?.closeCode(), 4001);
      await clock.advance(wait - 1);
      assert.equal(cores.length, index + 1, `called again before ${wait} ms had passed`);
      await clock.advance(1);
      assert.equal(cores.length, index + 2, `not called again after ${wait} ms`);
    }
    assert.equal(await deadline.wait('the replicator to stop', replicator.stopped()), undefined);
    assert.equal(revisionsIn(cores[3]), 1);
  });
});

/** A replicator with one document to push, and the stubs that take its connections in turn. */
async function oneAfterTheOther(
  context: TestContext,
  deadline: Deadline,
  logs: readonly string[],
): Promise<{ cores: PassiveCore[]; replicator: Replicator; clock: VirtualClock }> {
  const database = await emptyDatabase(context);
  const scripts = logs.map(loadStubLog);
  await prepareClient(database, loadStubLog('ok-uncompressed'));
  const cores: PassiveCore[] = [];
  const accept = (end: MessageEndpointConnection): void => {
    const script = scripts[cores.length];
    assert(script !== undefined, 'one connection too many');
    cores.push(new PassiveCore(end, script, deadline));
  };
  const clock = new VirtualClock();
  const options = { ...bothWays, clock, random: noJitter };
  return { cores, replicator: replicatorOf(database, loadStubLog('ok-uncompressed'), accept, options), clock };
}

const noJitter: RandomSource = { next: () => 0, bytes: (length) => new Uint8Array(length) };

function untilOffline(replicator: Replicator): Promise<void> {
  const reached = deferred();
  const look = (): void => {
    if (replicator.status.activity === 'offline') reached.resolve();
  };
  const unsubscribe = replicator.on('status', look);
  look();
  return reached.promise.finally(unsubscribe);
}

function revisionsIn(core: PassiveCore | undefined): number | undefined {
  return core?.transcript.requests('active', 'rev').length;
}
