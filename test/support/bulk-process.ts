/** Pushes and pulls many small documents between databases of one process, and says how it went. Parameters: folder, count. */
import { join } from 'node:path';
import {
  Database,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  silentLogger,
  type Collection,
} from '../../src/index.js';

const [folder = '', count = '0'] = process.argv.slice(2);

async function open(name: string): Promise<Collection> {
  const database = await Database.open(join(folder, name), { logger: silentLogger });
  return database.createCollection('metrics');
}

async function replicate(active: Collection, passive: Collection, type: 'push' | 'pull'): Promise<void> {
  const listener = new MessageEndpointListener({ collections: [passive], protocolType: 'messageStream' });
  const target = new MessageEndpoint(passive.database.name, undefined, 'messageStream', {
    createConnection: () => {
      const pair = loopbackPair();
      listener.accept(pair.b);
      return pair.a;
    },
  });
  const replicator = new Replicator({ collections: [active], target, type });
  replicator.start();
  const error = await replicator.stopped();
  if (error !== undefined) throw error;
  await listener.closeAll();
}

const [from, middle, to] = [await open('from'), await open('middle'), await open('to')];
for (let saved = 0; saved < Number(count);) {
  const batch = Array.from({ length: Math.min(1_000, Number(count) - saved) }, () => {
    const index = saved++;
    return from.save(`engine-${index}`, {
      engine: index % 4,
      rpm: 800 + (index % 1_700),
      temperature: 81.5,
      alarm: null,
    });
  });
  await Promise.all(batch);
}
await replicate(from, middle, 'push');
await replicate(to, middle, 'pull');
console.log(JSON.stringify({ count: await to.count() }));
for (const { database } of [from, middle, to]) await database.close();
