/**
 * The example on one machine: a gateway and some nodes, each a process, on a bus without hardware. Files take the place of the
 * sensors. Half-way a node is killed, and started again. In the end all documents are compared.
 */
import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openSerialLine, serialLineProblem } from 'hawser/testing';
import { compare } from '../shared/compare.js';
import { perform } from '../shared/perform.js';
import type { Program, Stage } from '../shared/stage.js';

const USAGE = `Usage: npm run demo:rs485 -- [options]

A gateway and its nodes on a half-duplex bus without hardware, each a process with a database of its own. Half-way a node is killed
and started again. The exit status is 0 only if the gateway has every document of every node in the end.

  --nodes N     how many nodes, 2 to 8 (default 4)
  --seconds N   how long the sensors of the nodes change (default 8)
  --help        print this`;

/** The one that is killed. */
const VICTIM = 2;
const BAUD_RATE = 115_200;
/** One flipped bit in a hundred thousand. */
const BIT_ERROR_RATE = 1e-5;
const CHANGES_A_SECOND = 4;
/** Processes of a busy machine answer later than devices of their own. */
const TURNAROUND_MS = 250;

await perform({
  name: 'rs485-gateway',
  usage: USAGE,
  options: { nodes: { default: 4, from: 2, to: 8 }, seconds: { default: 8, from: 1, to: 3_600 } },
  play: async (stage, { nodes: count, seconds }) => {
    const addresses = Array.from({ length: count }, (_, index) => index + 1);
    const problem = serialLineProblem();
    if (problem !== undefined) throw new Error(`there can be no bus without hardware here: ${problem}`);
    const line = await openSerialLine({
      ...{ halfDuplex: true, ends: count + 1, baudRate: BAUD_RATE, bitErrorRate: BIT_ERROR_RATE },
    });
    stage.defer(() => line.close());
    const portOf = (end: number): string => line.ends[end]?.path ?? '';
    const bus = { BUS_BAUD_RATE: String(BAUD_RATE) };
    const passwords = Object.fromEntries(
      addresses.map((node) => [`node-${node}`, randomBytes(24).toString('base64url')]),
    );

    const gateway = stage.start('gateway', new URL('gateway.ts', import.meta.url), {
      ...{ ...bus, BUS_PORT: portOf(0), BUS_NODES: addresses.join(','), BUS_TURNAROUND_MS: String(TURNAROUND_MS) },
      ...{ NODE_PASSWORDS: JSON.stringify(passwords), GATEWAY_FOLDER: folderOf(stage, 'gateway') },
    });
    const [, fingerprint = ''] = (await gateway.line(/fingerprint (\S+)$/)).match;
    const startNode = (node: number): Program => {
      const name = `node-${node}`;
      return stage.start(name, new URL('node.ts', import.meta.url), {
        ...{ ...bus, BUS_PORT: portOf(node), NODE_ADDRESS: String(node), NODE_PASSWORD: passwords[name] ?? '' },
        ...{ GATEWAY_FINGERPRINT: fingerprint, NODE_FOLDER: folderOf(stage, name) },
        // A level sensor of 4 to 20 mA at an analog input of 12 bits: 819 is empty, 4095 is full.
        ...{ SENSOR_FILE: sensorOf(stage, node), SENSOR_PATH: `tanks.freshWater.${node}.currentLevel` },
        ...{ SENSOR_SCALE: String(1 / 3_276), SENSOR_OFFSET: String(-0.25), SENSOR_INTERVAL_MS: '50' },
      });
    };
    const nodes = new Map(addresses.map((node) => [node, startNode(node)]));
    await Promise.all(addresses.map((node) => gateway.line(new RegExp(`^node-${node} is there$`))));

    const isOver = new AbortController();
    const changing = change(stage, addresses, AbortSignal.any([stage.signal, isOver.signal]));
    await Promise.race([changing, halfOf(seconds, stage.signal)]);
    const victim = nodes.get(VICTIM);
    await victim?.counted('saved', 1);
    const before = gateway.said;
    await victim?.kill();
    const told = victim?.count('saved') ?? 0;
    stage.tell(`half-way, ${gateway.count('stored')} readings are stored: node-${VICTIM} is killed (SIGKILL)`);
    await halfOf(Math.min(seconds, 4), stage.signal);
    const revived = startNode(VICTIM);
    nodes.set(VICTIM, revived);
    const kept = Number((await revived.line(/^has (\d+) readings$/)).match[1]);
    stage.tell(`node-${VICTIM} is started again with ${kept} readings; it had told of ${told}`);
    if (kept < told) return { passed: false, text: `${told - kept} readings of node-${VICTIM} are lost` };
    await revived.line(/^connected/);
    await gateway.line(new RegExp(`^node-${VICTIM} is there$`), before);
    await halfOf(seconds, stage.signal);
    isOver.abort();
    await changing;

    await Promise.all([...nodes.values()].map((node) => node.stop()));
    await gateway.stop();
    const { bytes, flippedBits, collisions } = line.statistics;
    stage.tell(`the bus carried ${bytes} bytes, flipped ${flippedBits} bits and saw ${collisions} collisions`);
    const storeOf = (who: string) => ({ who, folder: folderOf(stage, who), collection: 'readings' });
    return compare(
      addresses.map((node) => storeOf(`node-${node}`)),
      storeOf('gateway'),
    );
  },
});

function folderOf(stage: Stage, name: string): string {
  return join(stage.folder, name);
}

function sensorOf(stage: Stage, node: number): string {
  return join(stage.folder, `in_voltage${node}_raw`);
}

async function halfOf(seconds: number, signal: AbortSignal): Promise<void> {
  await delay(seconds * 500, undefined, { signal });
}

/** The tanks empty and fill, until the signal fires. */
async function change(stage: Stage, addresses: readonly number[], signal: AbortSignal): Promise<void> {
  for (let step = 0; !signal.aborted; step++) {
    for (const node of addresses) {
      const raw = Math.round(2_457 + 1_600 * Math.sin(step / 9 + node));
      // Whole or not at all, as the kernel does it.
      await writeFile(`${sensorOf(stage, node)}.new`, `${raw}\n`);
      await rename(`${sensorOf(stage, node)}.new`, sensorOf(stage, node));
    }
    await delay(1_000 / CHANGES_A_SECOND, undefined, { signal }).catch(() => undefined);
  }
}
