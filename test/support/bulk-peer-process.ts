/**
 * One peer of a large replication, so that its memory can be measured alone. `fill FOLDER COUNT` saves small documents, and
 * `blob FOLDER BYTES` one with a large blob; `listen FOLDER` serves them until its input ends; `push FOLDER PORT` and
 * `pull FOLDER PORT` replicate once; `check FOLDER` reads the blob again. The last line that each writes is
 * `{"count":…,"peakMiB":…}`: the documents it then has, and the most memory that it had in RAM; `check` adds
 * `"blob":"DIGEST LENGTH"`.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Blob, Database, Replicator, seededRandom, silentLogger } from '../../src/index.js';
import { URLEndpoint, URLEndpointListener } from '../../transports/websocket/index.js';

const PIECE = 64 * 1024;

const [role = '', folder = '', number = '0'] = process.argv.slice(2);
const database = await Database.open(folder, { name: 'ship', logger: silentLogger });
const metrics = await database.createCollection('metrics');

if (role === 'fill') await fill(Number(number));
else if (role === 'blob') await saveBlob(Number(number));
else if (role === 'listen') await listen();
else if (role !== 'check') await replicate(role === 'push' ? 'push' : 'pull', Number(number));

const count = await metrics.count();
const report = { count, peakMiB: peakMiB(), ...(role === 'check' ? { blob: await readBlob() } : {}) };
await database.close();
console.log(JSON.stringify(report));

/** Of this program alone: what `resourceUsage` tells includes the process that started it. */
function peakMiB(): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1]) / 1024;
}

async function saveBlob(bytes: number): Promise<void> {
  await metrics.save('recording', { sound: new Blob('application/octet-stream', recording(bytes)) });
}

/** Half noise, half silence: as compressible as much of what sensors record. */
async function* recording(bytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const random = seededRandom(1);
  for (let left = bytes; left > 0; left -= PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, left));
    piece.set(random.bytes(piece.length >> 1));
    yield piece;
  }
}

/** What the blob is, by its content. */
async function readBlob(): Promise<string> {
  const document = await metrics.get('recording');
  const blob = await database.getBlob((document?.body as { sound?: unknown } | undefined)?.sound);
  if (blob === undefined) return 'absent';
  const hash = createHash('sha1');
  let length = 0;
  for await (const piece of blob.stream()) {
    hash.update(piece);
    length += piece.length;
  }
  return `sha1-${hash.digest('base64')} ${length}`;
}

async function fill(total: number): Promise<void> {
  for (let saved = 0; saved < total;) {
    const batch = Array.from({ length: Math.min(1_000, total - saved) }, () => {
      const index = saved++;
      const body = { engine: index % 4, rpm: 800 + (index % 1_700), temperature: 81.5, alarm: null };
      return metrics.save(`engine-${index}`, body);
    });
    await Promise.all(batch);
  }
}

async function listen(): Promise<void> {
  const listener = new URLEndpointListener({
    collections: [metrics],
    networkInterface: '127.0.0.1',
    disableTLS: true,
  });
  await listener.start();
  console.log(listener.port);
  await once(process.stdin.resume(), 'end');
  await listener.stop();
}

async function replicate(type: 'push' | 'pull', port: number): Promise<void> {
  const target = new URLEndpoint(`ws://127.0.0.1:${port}/ship`);
  const replicator = new Replicator({ collections: [metrics], target, type });
  replicator.start();
  const error = await replicator.stopped();
  if (error !== undefined) throw error;
}
