/** `lower-bound`: the same push by the shortest program that does it durably (`lower-bound-process.mjs`). */
import { repeated } from './figures.js';
import { measure, replicationFigures, type Replication } from './replication.js';
import type { Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

export async function benchLowerBound(report: Report, { documents = [10_000, 50_000], runs }: Settings): Promise<void> {
  const rows = [];
  for (const count of documents) {
    const measured = await repeated(runs, () => pushByHand(count));
    rows.push({ title: `lower bound ${count.toLocaleString('en')}`, runs: measured.map(replicationFigures) });
  }
  report.table('ws and SQLite by hand, one push', rows);
}

/** Pushes readings over ws, in new processes and new folders. */
export function pushByHand(count: number): Promise<Replication> {
  return onStage(async (stage) => {
    const program = 'lower-bound-process.mjs';
    const maker = stage.peer({ program });
    await maker.do('open', { path: stage.folder('sender') });
    await maker.do('fill', { count });
    await maker.do('close');
    await maker.end();
    const [active, passive] = [stage.peer({ program }), stage.peer({ program })];
    await active.do('open', { path: stage.folder('sender') });
    await passive.do('open', { path: stage.folder('receiver') });
    const { port } = await passive.do<{ port: number }>('listen');
    const relay = await stage.relay(port);
    const target = { url: `ws://127.0.0.1:${relay.port}` };
    return measure({ active, passive, relay, target }, count, { target });
  });
}
