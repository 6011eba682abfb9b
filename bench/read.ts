/** `read`: how fast an application gets documents by key, and walks the feed of changes, in a process that has just opened them. */
import { repeated } from './figures.js';
import { fill } from './pair.js';
import type { Figures, Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const WAYS = [
  { title: 'get, one by one', command: 'getConcurrently', parameters: { width: 1 } },
  { title: 'get, 64 at a time', command: 'getConcurrently', parameters: { width: 64 } },
  { title: 'getMany of 1,000', command: 'getMany', parameters: { size: 1_000 } },
  { title: 'feed of changes', command: 'walkChanges', parameters: {} },
] as const;

export async function benchRead(report: Report, { documents = [10_000], runs }: Settings): Promise<void> {
  for (const count of documents) {
    const rows = [];
    for (const { title, command, parameters } of WAYS) {
      rows.push({ title, runs: await repeated(runs, () => read(command, { ...parameters, count }, count)) });
    }
    report.table(`reading ${count.toLocaleString('en')} × 200 B`, rows);
  }
}

function read(command: string, parameters: object, count: number): Promise<Figures> {
  return onStage(async (stage) => {
    await fill(stage, 'database', 'fill', { count });
    const peer = stage.peer();
    await peer.do('open', { path: stage.folder('database') });
    const { seconds, cpuSeconds } = await peer.do<{ seconds: number; cpuSeconds: number }>(command, parameters);
    return {
      'documents/s': count / seconds,
      'CPU µs/doc': (cpuSeconds * 1e6) / count,
      'peak MiB': peer.memory.peakRssMiB,
    };
  });
}
