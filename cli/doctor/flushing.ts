/** How long the storage takes to keep its word: an fsync is what a save with `fullSync`, and each checkpoint, waits for. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, warning, type Finding } from './finding.js';

export async function checkFlushing(place: string): Promise<Finding> {
  const file = await open(join(place, 'flushing'), 'w');
  try {
    return judgeFlushing(await times(file));
  } finally {
    await file.close();
  }
}

/** @param milliseconds of each fsync */
export function judgeFlushing(milliseconds: readonly number[]): Finding {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  const longest = sorted.at(-1) ?? 0;
  const found = `An fsync takes ${shown(median)} ms, the longest of ${sorted.length} took ${shown(longest)} ms.`;
  if (median <= SLOW_MS) return ok('flushing', found);
  const remedy =
    'Save in batches (inBatch), and leave fullSync off where the last saves before a power loss may be lost.';
  return warning('flushing', found, remedy);
}

async function times(file: FileHandle): Promise<number[]> {
  const page = Buffer.alloc(4_096, 'hawser');
  const taken: number[] = [];
  const end = performance.now() + BUDGET_MS;
  while (taken.length < ROUNDS && (taken.length === 0 || performance.now() < end)) {
    await file.write(page, 0, page.length, taken.length * page.length);
    const start = performance.now();
    await file.sync();
    taken.push(performance.now() - start);
  }
  return taken;
}

function shown(milliseconds: number): string {
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
}

const ROUNDS = 25;
const BUDGET_MS = 2_000;
const SLOW_MS = 50;
