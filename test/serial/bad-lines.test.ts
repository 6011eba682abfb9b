/** Replication over lines as they are: slow, noisy, silent for a while, unplugged, and with ends that start in any order. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { deferred, Replicator, seededRandom, type HawserError } from '../../src/index.js';
import { SerialEndpoint, SerialEndpointListener } from '../../transports/serial/index.js';
import { openSerialLine, serialLineProblem, type SerialLineOptions } from '../conformance/index.js';
import { cleanup } from '../support/cleanup.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_128);
const LIMIT = { timeout: 120_000 };

async function ends(context: TestContext, options: SerialLineOptions & { readonly baudRate: number }) {
  const line = await openSerialLine({ seed: SEED, ...options });
  cleanup(context, () => line.close());
  const [near, far] = [await openPeer(context, 'near'), await openPeer(context, 'far')];
  const { baudRate } = options;
  const [farPath = '', nearPath = ''] = line.ends.map(({ path }) => path);
  const listener = new SerialEndpointListener({ collections: [far.metrics], path: farPath, baudRate });
  cleanup(context, () => listener.stop());
  const errors: HawserError[] = [];
  listener.on('error', (error) => errors.push(error));
  const replicator = new Replicator({
    collections: [near.metrics],
    target: new SerialEndpoint({ path: nearPath, baudRate, peer: 'far' }),
    continuous: true,
    acceptOnlySelfSignedServerCertificate: true,
  });
  cleanup(context, () => replicator.stop());
  return { line, near, far, listener, replicator, errors };
}

async function save({ metrics }: Peer, prefix: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await metrics.save(`${prefix}-${index}`, { value: index, from: prefix });
}

async function assertConverge(near: Peer, far: Peer, count: number): Promise<void> {
  await whenChanged(far.metrics, async () => (await far.metrics.count()) === count);
  await whenChanged(near.metrics, async () => (await near.metrics.count()) === count);
  assert.deepEqual(await contents(near.metrics), await contents(far.metrics));
}

/** Resolves when the replicator is at that. */
async function whenActivity(replicator: Replicator, activity: string): Promise<void> {
  if (replicator.status.activity === activity) return;
  const reached = deferred();
  const off = replicator.on('status', (status) => void (status.activity === activity && reached.resolve()));
  await reached.promise;
  off();
}

describe('replication over a serial line', { ...LIMIT, skip: serialLineProblem() ?? false }, () => {
  for (const [what, options, count] of [
    ['of 9,600 baud', { baudRate: 9_600 }, 10],
    ['of 9,600 baud that flips bits', { baudRate: 9_600, bitErrorRate: 2e-4 }, 10],
    ['of 115,200 baud that flips bits', { baudRate: 115_200, bitErrorRate: 2e-4 }, 60],
    ['that loses and makes up bytes', { baudRate: 115_200, dropRate: 5e-4, insertRate: 5e-4 }, 60],
  ] as const) {
    it(`${what} carries everything both ways, seed ${SEED}`, async (context) => {
      const { line, near, far, listener, replicator } = await ends(context, options);
      await save(near, 'near', count);
      await save(far, 'far', count);
      await listener.start();
      line.noise(0, seededRandom(SEED).bytes(300));
      line.noise(1, seededRandom(SEED + 1).bytes(300));
      replicator.start();
      await assertConverge(near, far, 2 * count);
    });
  }

  it('starts at either end first, and goes on after the listener was stopped for a while', async (context) => {
    const { near, far, listener, replicator } = await ends(context, { baudRate: 115_200 });
    await near.metrics.save('one', {});
    replicator.start(); // nobody listens yet
    await whenActivity(replicator, 'connecting');
    await listener.start();
    await assertConverge(near, far, 1);
    const offline = whenActivity(replicator, 'offline');
    await listener.stop();
    await offline;
    await near.metrics.save('two', {});
    await listener.start();
    await assertConverge(near, far, 2);
  });

  it('goes on after a silence of the line without having been lost', async (context) => {
    const { line, near, far, listener, replicator } = await ends(context, { baudRate: 115_200 });
    await listener.start();
    replicator.start();
    await save(near, 'before', 5);
    await assertConverge(near, far, 5);
    const activities: string[] = [];
    replicator.on('status', ({ activity }) => activities.push(activity));
    line.mute();
    await save(near, 'during', 5);
    const swallowed = line.statistics.mutedBytes;
    // Until something was said in vain a few times.
    const patience = setInterval(() => {
      if (line.statistics.mutedBytes > swallowed + 500) line.unmute();
    }, 20);
    context.after(() => clearInterval(patience));
    await assertConverge(near, far, 10);
    assert.ok(!activities.includes('offline'), activities.join());
  });

  for (const end of [0, 1] as const) {
    const whose = end === 0 ? 'listener' : 'replicator';
    it(`goes on after the adapter of the ${whose} was unplugged and plugged in again`, async (context) => {
      const { line, near, far, listener, replicator, errors } = await ends(context, { baudRate: 115_200 });
      await listener.start();
      replicator.start();
      await save(near, 'before', 5);
      await assertConverge(near, far, 5);
      await line.unplug(end);
      await save(near, 'during', 5);
      await line.replug(end);
      await assertConverge(near, far, 10);
      assert.deepEqual(
        errors.map(({ code }) => code),
        end === 0 ? ['SERIAL_PORT_LOST'] : [],
      );
    });
  }

  it('does not start on a port that is not there, and does when it is', async (context) => {
    const { line, listener } = await ends(context, { baudRate: 115_200 });
    await line.unplug(0);
    await assert.rejects(listener.start(), { code: 'SERIAL_PORT_NOT_FOUND' });
    await line.replug(0);
    await listener.start();
    const other = new SerialEndpointListener({
      collections: [(await openPeer(context, 'other')).metrics],
      path: listener.path,
      baudRate: 115_200,
    });
    await assert.rejects(other.start(), { code: 'SERIAL_PORT_BUSY' });
  });
});
