/** Memory: what there is, what this process may have of it, and the flags that spare it. */
import { totalmem } from 'node:os';
import { ok, warning, type Finding } from './finding.js';
import { readText } from './text-file.js';

/** In bytes. */
export interface MemoryFacts {
  readonly total: number;
  /** What could be had now, caches included. */
  readonly available: number;
  /** Of the control group; undefined without one. */
  readonly limit: number | undefined;
  readonly swap: number;
  /** Whether the swap, or part of it, is compressed memory. */
  readonly zram: boolean;
  /** The value of MALLOC_ARENA_MAX. */
  readonly arenas: string | undefined;
}

export function checkMemory(): Finding {
  const lines = readText('/proc/meminfo');
  const field = (name: string): number =>
    1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(lines)?.[1] ?? 0);
  const total = totalmem();
  // Of groups of version 1 and 2, and of those above; a huge number or 0 is none.
  const limit = process.constrainedMemory();
  return judgeMemory({
    total,
    available: field('MemAvailable'),
    limit: limit > 0 && limit < total ? limit : undefined,
    swap: field('SwapTotal'),
    zram: /^\/dev\/zram/m.test(readText('/proc/swaps')),
    arenas: process.env['MALLOC_ARENA_MAX'],
  });
}

export function judgeMemory({ total, available, limit, swap, zram, arenas }: MemoryFacts): Finding {
  const group = limit === undefined ? '' : ` The control group of this process may have ${mib(limit)}.`;
  const swapped = swap === 0 ? 'no swap' : `${mib(swap)} of swap${zram ? ', compressed in memory (zram)' : ''}`;
  const found = `${mib(total)}, ${mib(available)} available, ${swapped}.${group}`;
  const usable = Math.min(available, limit ?? Infinity);
  const flags = `node --max-semi-space-size=1${arenas === undefined ? ', with MALLOC_ARENA_MAX=2 in the environment' : ''}`;
  if (usable < SCARCE) {
    const room = limit !== undefined && limit <= available ? 'Raise memory.max of the group' : 'End other programs';
    return warning(
      'memory',
      found,
      `${room}${swap === 0 ? ', or add zram as swap' : ''}; and start your program as: ${flags}.`,
    );
  }
  if (Math.min(total, limit ?? Infinity) < SMALL) {
    return ok('memory', `${found} To spare it, start your program as: ${flags}.`);
  }
  return ok('memory', found);
}

function mib(bytes: number): string {
  return bytes >= 10 * 2 ** 30 ? `${Math.round(bytes / 2 ** 30)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** A Node with hawser that syncs takes about as much. */
const SCARCE = 128 * 2 ** 20;
const SMALL = 512 * 2 ** 20;
