/** Many clients, each with documents of its own, send them to one server at the same time. */
import type { PeerProcess, Usage } from './peer-process.js';
import { cpuOf } from './push.js';
import { Stage } from './stage.js';
import type { Subject } from './subjects.js';

export const CLIENTS = 20;

export interface FanInRun {
  readonly documentsPerSecond: number;
  readonly cpuMicrosecondsPerDocument: number;
  readonly bytesPerDocument: number;
  readonly serverRssMiB: number;
}

export function fanIn(subject: Subject, perClient: number): Promise<FanInRun> {
  return Stage.with(subject, async (stage) => {
    const count = CLIENTS * perClient;
    const server = await stage.open('server');
    const filledClient = async (index: number): Promise<PeerProcess> => {
      const client = await stage.open(`client-${index}`);
      await client.do('fill', { first: index * perClient, count: perClient });
      return client;
    };
    const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => filledClient(index)));
    const url = await stage.listen(server);
    const before = await cpuOf([server, ...clients]);
    const start = performance.now();
    await Promise.all(clients.map((client) => client.do('replicate', { url })));
    await server.do('received', { count });
    const seconds = (performance.now() - start) / 1_000;
    const cpu = (await cpuOf([server, ...clients])) - before;
    const { bytes } = stage;
    const { peakRssMiB } = await server.do<Usage>('usage');
    await stage.check(server, 'server', count);
    return {
      documentsPerSecond: count / seconds,
      cpuMicrosecondsPerDocument: cpu / count,
      bytesPerDocument: bytes / count,
      serverRssMiB: peakRssMiB,
    };
  });
}
