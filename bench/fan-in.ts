/** `fan-in`: many clients, a process each, push at the same moment into one listener. */
import { median, repeated } from './figures.js';
import { checkCount } from './pair.js';
import { cpuSecondsOf } from './peer.js';
import { atLeast, atMost, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const CLIENTS = 20;
const DOCUMENTS = 1_000;
const TOTAL = CLIENTS * DOCUMENTS;

export async function benchFanIn(report: Report, { runs, plain }: Settings): Promise<void> {
  const toReach = { 'documents/s': atLeast(15_000), 'slowest ÷ median client': atMost(2) };
  const title = `${CLIENTS} clients × ${DOCUMENTS.toLocaleString('en')}`;
  report.table('fan-in, one-shot push, wss', [{ title, runs: await repeated(runs, () => fanIn(plain)), toReach }]);
}

function fanIn(plain: boolean): Promise<Figures> {
  return onStage(async (stage) => {
    const names = Array.from({ length: CLIENTS }, (_, index) => `client-${index}`);
    const maker = stage.peer();
    for (const [index, name] of names.entries()) {
      await maker.do('open', { path: stage.folder(name) });
      await maker.do('fill', { first: index * DOCUMENTS, count: DOCUMENTS });
      await maker.do('close');
    }
    await maker.end();

    const hub = stage.peer({ plain });
    await hub.do('open', { path: stage.folder('hub') });
    const { port } = await hub.do<{ port: number }>('listen');
    const relay = await stage.relay(port);
    const target = { url: `wss://127.0.0.1:${relay.port}/hub` };
    const clients = names.map(() => stage.peer({ plain }));
    await Promise.all(clients.map((client, index) => client.do('open', { path: stage.folder(names[index] ?? '') })));

    const { result, cpuSeconds } = await cpuSecondsOf([hub, ...clients], async () => {
      const startAt = performance.timeOrigin + performance.now() + UNTIL_ALL_ARE_TOLD_MS;
      const parameters = { target, options: { type: 'push' }, startAt };
      return Promise.all(
        clients.map((client) => client.do<{ startedAt: number; endedAt: number }>('replicate', parameters)),
      );
    });
    await checkCount(hub, TOTAL);
    const beginning = Math.min(...result.map(({ startedAt }) => startedAt));
    const seconds = result.map(({ endedAt }) => (endedAt - beginning) / 1_000);
    const slowest = Math.max(...seconds);
    const [hubCpuSeconds = 0] = cpuSeconds;
    const allCpuSeconds = cpuSeconds.reduce((sum, used) => sum + used, 0);
    return {
      'documents/s': TOTAL / slowest,
      'CPU µs/doc, all': (allCpuSeconds * 1e6) / TOTAL,
      'CPU s, listener': hubCpuSeconds,
      'CPU s, clients': allCpuSeconds - hubCpuSeconds,
      'bytes/doc': relay.bytes / TOTAL,
      'slowest client, s': slowest,
      'slowest ÷ median client': slowest / median(seconds),
      'peak MiB, listener': hub.memory.peakRssMiB,
    };
  });
}

const UNTIL_ALL_ARE_TOLD_MS = 500;
