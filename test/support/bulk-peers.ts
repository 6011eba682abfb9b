/** Large replications between two processes, and what each of them had in memory at most. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startChild, type TestChild } from './child-process.js';
import { temporaryDirectory } from './temporary-directory.js';

interface Report {
  readonly count: number;
  readonly peakMiB: number;
  readonly blob?: string;
}

export interface BulkReplication {
  /** The last lines of both peers. */
  readonly active: Report;
  readonly passive: Report;
  /** The folders: the one that was filled, and the one that was empty. */
  readonly full: string;
  readonly empty: string;
}

/** Runs one peer of `bulk-peer-process.ts` to its end. */
export async function runBulkPeer(
  context: TestContext,
  role: string,
  folder: string,
  number = 0,
  nodeOptions: readonly string[] = [],
): Promise<Report> {
  return reportOf(startPeer(context, role, folder, number, nodeOptions));
}

/** Replicates once over a WebSocket on loopback, after `fill` has made what there is to replicate. */
export async function replicateInBulk(
  context: TestContext,
  type: 'push' | 'pull',
  fill: (folder: string) => Promise<unknown>,
  nodeOptions: readonly string[] = [],
): Promise<BulkReplication> {
  const directory = await temporaryDirectory(context);
  const [full, empty] = [join(directory, 'full'), join(directory, 'empty')];
  await fill(full);
  const [ours, theirs] = type === 'push' ? [full, empty] : [empty, full];
  const listener = startPeer(context, 'listen', theirs, 0, nodeOptions);
  const port = Number(await listener.line());
  const active = await reportOf(startPeer(context, type, ours, port, nodeOptions));
  const passive = await reportOf(listener);
  return { active, passive, full, empty };
}

function startPeer(
  context: TestContext,
  role: string,
  folder: string,
  number: number,
  nodeOptions: readonly string[],
): TestChild {
  return startChild(context, 'bulk-peer-process.ts', [role, folder, String(number)], nodeOptions);
}

/** Ends the input of a peer and waits for its last line. */
async function reportOf(peer: TestChild): Promise<Report> {
  const code = await peer.finish();
  const line = await peer.line();
  assert.ok(line !== undefined && code === 0, peer.errors());
  return JSON.parse(line) as Report;
}
