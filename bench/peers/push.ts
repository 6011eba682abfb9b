/** One client sends all its documents to a server, once. */
import type { PeerProcess, Usage } from './peer-process.js';
import { Stage } from './stage.js';
import type { Subject } from './subjects.js';

export interface PushRun {
  readonly documentsPerSecond: number;
  readonly cpuMicrosecondsPerDocument: number;
  readonly bytesPerDocument: number;
  readonly clientRssMiB: number;
  readonly serverRssMiB: number;
}

export function push(subject: Subject, count: number): Promise<PushRun> {
  return Stage.with(subject, async (stage) => {
    const client = await filledClient(stage, subject, count);
    const server = await stage.open('server');
    const url = await stage.listen(server);
    const before = await cpuOf([client, server]);
    const start = performance.now();
    await client.do('replicate', { url });
    await server.do('received', { count });
    const seconds = (performance.now() - start) / 1_000;
    const cpu = (await cpuOf([client, server])) - before;
    const { bytes } = stage;
    const [clientUsage, serverUsage] = [await client.do<Usage>('usage'), await server.do<Usage>('usage')];
    await stage.check(server, 'server', count);
    return {
      documentsPerSecond: count / seconds,
      cpuMicrosecondsPerDocument: cpu / count,
      bytesPerDocument: bytes / count,
      clientRssMiB: clientUsage.peakRssMiB,
      serverRssMiB: serverUsage.peakRssMiB,
    };
  });
}

/** The documents are made by a process that does not take part, where they can be, so that its memory is not counted. */
async function filledClient(stage: Stage, { durable }: Subject, count: number): Promise<PeerProcess> {
  const maker = await stage.open('client');
  await maker.do('fill', { count });
  if (!durable) return maker;
  await stage.close(maker);
  return stage.open('client');
}

/** Microseconds of user and system of all processes together. */
export async function cpuOf(peers: readonly PeerProcess[]): Promise<number> {
  const usages = await Promise.all(peers.map((peer) => peer.do<Usage>('usage')));
  return usages.reduce((sum, { cpuMicroseconds }) => sum + cpuMicroseconds, 0);
}
