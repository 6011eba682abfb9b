/** `blob`: a one-shot push of documents with a blob each: random bytes as photographs, which nobody tries to compress. */
import { repeated } from './figures.js';
import { fill, openPair } from './pair.js';
import { measure } from './replication.js';
import type { Figures, Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const SETS = [
  { title: '200 × 100 KB', count: 200, bytes: 100_000 },
  { title: '5 × 20 MB', count: 5, bytes: 20_000_000 },
];

export async function benchBlob(report: Report, { runs, plain }: Settings): Promise<void> {
  const rows = [];
  for (const { title, count, bytes } of SETS) {
    rows.push({ title, runs: await repeated(runs, () => pushBlobs(count, bytes, plain)) });
  }
  report.table('blobs, one-shot push, wss', rows);
}

function pushBlobs(count: number, bytes: number, plain: boolean): Promise<Figures> {
  return onStage(async (stage) => {
    await fill(stage, 'active', 'fillBlobs', { count, bytes });
    const pair = await openPair(stage, { plain });
    const push = await measure(pair, count, { target: pair.target, options: { type: 'push' } });
    const content = count * bytes;
    const arrived = await pair.passive.do<{ bytes: number }>('blobBytes');
    if (arrived.bytes !== content) throw new Error(`${arrived.bytes} of ${content} bytes arrived`);
    return {
      'MB/s': (push.documentsPerSecond * bytes) / 1e6,
      'CPU ms/MB, both': ((push.activeCpuSeconds + push.passiveCpuSeconds) * 1e3) / (content / 1e6),
      'bytes on the wire ÷ content': push.bytesPerDocument / bytes,
      'peak MiB, active': push.activePeakMiB,
      'peak MiB, listener': push.passivePeakMiB,
    };
  });
}
