/**
 * One-shot replication between two processes over wss on loopback, durable on both sides: how fast, how many bytes, how
 * much processor time and memory. Each run begins with empty folders and new processes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printTable } from './figures.js';
import { Peer, type Usage } from './peer.js';
import { CountingRelay } from './relay.js';

export type Direction = 'push' | 'pull';

interface Run {
  readonly documentsPerSecond: number;
  readonly cpuMicrosecondsPerDocument: number;
  readonly bytesPerDocument: number;
  readonly activeRssMiB: number;
  readonly passiveRssMiB: number;
}

export async function benchReplication(direction: Direction, counts: readonly number[], runs: number): Promise<void> {
  const rows = [];
  const results: Record<string, Run[]> = {};
  for (const count of counts) {
    const measured: Run[] = [];
    for (let run = 0; run < runs; run++) measured.push(await measure(direction, count));
    results[`${direction} ${count}`] = measured;
    rows.push({
      title: `${direction} ${count}`,
      values: COLUMNS.map(([, field]) => measured.map((one) => one[field])),
    });
  }
  printTable(
    COLUMNS.map(([title]) => title),
    rows,
  );
  console.log(JSON.stringify(results));
}

const COLUMNS: readonly (readonly [string, keyof Run])[] = [
  ['documents/s', 'documentsPerSecond'],
  ['CPU µs/doc, both', 'cpuMicrosecondsPerDocument'],
  ['bytes/doc on the wire', 'bytesPerDocument'],
  ['peak RSS MiB, active', 'activeRssMiB'],
  ['peak RSS MiB, listener', 'passiveRssMiB'],
];

async function measure(direction: Direction, count: number): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'hawser-bench-'));
  // The documents are made by a process that does not take part, so that its memory is not counted.
  const maker = new Peer();
  const active = new Peer();
  const passive = new Peer();
  let relay: CountingRelay | undefined;
  try {
    const source = direction === 'push' ? 'active' : 'passive';
    await maker.do('open', { path: join(folder, source) });
    await maker.do('fill', { count });
    await maker.do('close');
    await active.do('open', { path: join(folder, 'active') });
    await passive.do('open', { path: join(folder, 'passive') });
    const { port, name } = await passive.do<{ port: number; name: string }>('listen');
    relay = await CountingRelay.to(port);
    const before = await passive.do<Usage>('usage');
    const url = `wss://127.0.0.1:${relay.port}/${name}`;
    const client = await active.do<{ milliseconds: number; cpuMicroseconds: number }>('replicate', {
      url,
      type: direction,
    });
    const after = await passive.do<Usage>('usage');
    const receiver = direction === 'push' ? passive : active;
    const { count: received } = await receiver.do<{ count: number }>('count');
    if (received !== count) throw new Error(`${received} of ${count} documents arrived`);
    const { peakRssMiB } = await active.do<Usage>('usage');
    return {
      documentsPerSecond: count / (client.milliseconds / 1000),
      cpuMicrosecondsPerDocument: (client.cpuMicroseconds + after.cpuMicroseconds - before.cpuMicroseconds) / count,
      bytesPerDocument: relay.bytes / count,
      activeRssMiB: peakRssMiB,
      passiveRssMiB: after.peakRssMiB,
    };
  } finally {
    relay?.close();
    await Promise.all([maker.end(), active.end(), passive.end()]);
    await rm(folder, { recursive: true, force: true });
  }
}
