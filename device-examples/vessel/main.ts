/**
 * The demo: three sensor nodes sync a yacht's log to the bridge over three media, and the bridge passes it on to the shore, through
 * a crash of the bridge. It says what happens and
 * compares in the end; how a node and a bridge are made is in node.ts and bridge.ts. USAGE in options.ts.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, isEqual } from './compare.js';
import { findLogs } from './logs.js';
import { openMedia } from './media.js';
import { parseOptions, USAGE, type DemoOptions } from './options.js';
import { openView } from './table.js';
import { Voyage } from './voyage.js';

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
process.stdout.on('error', () => interruption.abort()); // nobody reads any more, as in `| head`

/** Resolves to the exit status: 0 all documents are equal, 1 they are not or it failed, 2 a wrong option, 130 interrupted. */
async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const { data, keep } = options;
  let folder: string | undefined;
  try {
    folder = data === undefined ? await mkdtemp(join(tmpdir(), 'hawser-vessel-')) : resolve(data);
    await mkdir(folder, { recursive: true });
    return await demonstrate(options, folder);
  } catch (error) {
    if (interruption.signal.aborted) {
      console.error('Interrupted.');
      return 130;
    }
    console.error(`The demo failed: ${messageOf(error)}`);
    return 1;
  } finally {
    if (folder !== undefined && data === undefined && !keep) await rm(folder, { recursive: true, force: true });
    else if (folder !== undefined) console.log(`The databases are in ${folder}.`);
  }
}

async function demonstrate({ log, readings, seconds, keep }: DemoOptions, folder: string): Promise<number> {
  const logs = await findLogs(log, readings);
  for (const note of logs.notes) console.log(note);
  interruption.signal.throwIfAborted();

  const media = await openMedia();
  if (media.lineProblem !== undefined) {
    console.log(`Without a serial line (${media.lineProblem}): the engine room takes the network too.`);
  }
  const { signal } = interruption;
  const voyage = new Voyage({ folder, logs, media, seconds, signal, tell: (text) => view.tell(text) });
  const view = openView(process.stdout, () => voyage);
  let isSuccess: boolean;
  let result: string;
  try {
    await voyage.startShore();
    await voyage.startBridge();
    const line = media.line === undefined ? '' : ', a serial line of 115,200 baud with noise';
    view.tell(
      `the bridge listens on ${voyage.bridgeURL}${line} and through a broker, with TLS and a password everywhere`,
    );
    await voyage.startNodes();
    await voyage.halfWay();

    const { progress } = voyage;
    const [saved, synced] = [progress.sum('saved'), progress.sum('synced')];
    view.tell(
      `half-way, ${number(synced)} of ${number(saved)} saved readings are synced: the bridge is killed (SIGKILL)`,
    );
    await voyage.killBridge();
    await delay(OUTAGE_MS, undefined, { signal: interruption.signal });
    await voyage.startBridge();
    view.tell('the bridge is back, on the same folder and port; the nodes find it at their next attempt');

    const isComplete = await voyage.synced();
    const total = number(progress.sum('total'));
    if (isComplete) view.tell(`all ${total} readings are on the shore; comparing the documents`);
    else view.tell(`not all of ${total} readings are on the shore and nothing moves any more; comparing what there is`);
    const comparison = await voyage.compare();
    isSuccess = isComplete && isEqual(comparison);
    result = `${isSuccess ? 'PASSED' : 'FAILED'}: nodes, bridge and shore have ${describe(comparison)}`;
    if (keep) {
      view.tell(result);
      view.tell('the nodes go on at ten readings a second; end with Ctrl-C');
      await voyage.goOn();
    }
  } finally {
    await voyage.end();
    await media.close();
    view.end();
  }
  console.log(result);
  return isSuccess ? 0 : 1;
}

function number(count: number): string {
  return count.toLocaleString('en');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** How long the bridge stays away once every node has noticed. */
const OUTAGE_MS = 2_500;

process.exitCode = await main(process.argv.slice(2));
