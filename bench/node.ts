/**
 * `node`: the memory of a sensor node, one process with a database and a continuous push, on a serial line and over wss, with and
 * without the small profile and flags of Node. All of it is read from outside, from /proc.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openSerialLine } from 'hawser/testing';
import { repeated } from './figures.js';
import { fill, openPair } from './pair.js';
import type { Peer } from './peer.js';
import { below, type Report, type Row } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

const YOUNG = '--max-semi-space-size=1';
const SMALL = { 'idle, serial': below(55), 'idle, wss': below(62) };
const NODES = [
  { title: 'default profile', flags: [], profile: 'default', toReach: { 'idle, wss': below(70) } },
  { title: `default profile, ${YOUNG}`, flags: [YOUNG], profile: 'default', toReach: {} },
  { title: `small profile, ${YOUNG}`, flags: [YOUNG], profile: 'small', toReach: SMALL },
  { title: `small profile, ${YOUNG} --no-opt`, flags: [YOUNG, '--no-opt'], profile: 'small', toReach: SMALL },
] as const;

export async function benchNode(
  report: Report,
  { runs, plain, documents = [10_000, 50_000] }: Settings,
): Promise<void> {
  const rows: Row[] = [];
  for (const { title, flags, profile, toReach } of NODES) {
    const options = { plain, flags, profile };
    const measured = await repeated(runs, async () => {
      const figures: Record<string, number> = {
        'nothing loaded': await bareNode(flags),
        'idle, serial': await idleSerialNode(options),
        'idle, wss': await idleNode(options),
      };
      for (const count of documents) {
        figures[`peak, ${count.toLocaleString('en')} pushed`] = await pushingNode(count, options);
      }
      return figures;
    });
    rows.push({ title, runs: measured, toReach });
  }
  report.table('RSS of a sensor node, MiB', rows);
}

/** How a node is run. */
interface NodeOptions {
  readonly plain: boolean;
  /** Of Node. */
  readonly flags?: readonly string[];
  readonly profile?: string;
}

/** In MiB: a process with a database and a connection, some seconds after everything is there. */
function idleNode(options: NodeOptions): Promise<number> {
  return onStage(async (stage) => {
    const { active, target } = await openPair(stage, { plain: options.plain, active: options });
    await active.do('connect', { target, options: { type: 'push' } });
    await saveNowAndThen(active);
    return active.memory.rssMiB;
  });
}

/** The same at the end of a serial line. */
function idleSerialNode(options: NodeOptions): Promise<number> {
  return onStage(async (stage) => {
    const line = await openSerialLine({ baudRate: BAUD_RATE });
    stage.after(() => line.close());
    const [far = '', near = ''] = line.ends.map(({ path }) => path);
    const [node, bridge] = [stage.peer(options), stage.peer({ plain: options.plain })];
    await bridge.do('open', { path: stage.folder('bridge'), name: 'bridge' });
    await bridge.do('listen', { medium: 'serial', options: { path: far, baudRate: BAUD_RATE } });
    await node.do('open', { path: stage.folder('node'), profile: options.profile });
    const target = { path: near, baudRate: BAUD_RATE, peer: 'bridge' };
    await node.do('connect', { medium: 'serial', target, options: { type: 'push' } });
    await saveNowAndThen(node);
    return node.memory.rssMiB;
  });
}

async function saveNowAndThen(node: Peer): Promise<void> {
  for (let value = 0; value < 5; value++) {
    await node.do('save', { id: `reading-${value}`, body: { value } });
    await delay(200);
  }
  await delay(IDLE_MS);
}

/** In MiB: the most it has while it pushes so many documents that it had stored before. */
function pushingNode(count: number, options: NodeOptions): Promise<number> {
  return onStage(async (stage) => {
    await fill(stage, 'active', 'fill', { count });
    const { active, target } = await openPair(stage, { plain: options.plain, active: options });
    await active.do('connect', { target, options: { type: 'push' } });
    return active.memory.peakRssMiB;
  });
}

/** In MiB: a process of Node that waits. */
function bareNode(flags: readonly string[]): Promise<number> {
  return onStage(async (stage) => {
    const peer = stage.peer({ program: 'bare-process.mjs', flags });
    await peer.do('cpu');
    await delay(BARE_MS);
    return peer.memory.rssMiB;
  });
}

/** By then V8 has noticed that nothing happens, and has collected its garbage. */
const IDLE_MS = 15_000;
const BARE_MS = 2_000;
const BAUD_RATE = 115_200;
