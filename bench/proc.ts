/** What Linux says of a process, asked from outside so that the asking is not in the figure. */
import { readFileSync } from 'node:fs';

export interface Memory {
  readonly rssMiB: number;
  /** The highest so far. Not `ru_maxrss`: that begins at what the process had that started this one. */
  readonly peakRssMiB: number;
}

export function memoryOf(pid: number): Memory {
  const field = fieldsOf(pid, 'status');
  return { rssMiB: field('VmRSS') / 1024, peakRssMiB: field('VmHWM') / 1024 };
}

/** Bytes bound for a block device. They count when a page becomes dirty: once, however often it changes before it is written. */
export function bytesWrittenBy(pid: number): number {
  return fieldsOf(pid, 'io')('write_bytes');
}

/** Reads files of lines such as `VmRSS:   47320 kB`. */
function fieldsOf(pid: number, file: 'status' | 'io'): (name: string) => number {
  const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
  return (name) => {
    const value = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1];
    if (value === undefined) throw new Error(`/proc/${pid}/${file} has no ${name}`);
    return Number(value);
  };
}
