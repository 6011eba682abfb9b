/** What Linux says of processes and folders, asked from outside so that the asking is not in the figures. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface ProcessFigures {
  readonly rssMiB: number;
  readonly peakRssMiB: number;
  readonly handles: number;
  readonly sockets: number;
  readonly threads: number;
  /** Of processor time, since its beginning. */
  readonly cpuSeconds: number;
}

/** Undefined if the process is gone. */
export function figuresOf(pid: number): ProcessFigures | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
    // Of a process that has ended and was not waited for yet there is no memory.
    if (Number.isNaN(field('VmRSS'))) return undefined;
    // After the name in parentheses, which may hold spaces: user and system time are the 12th and 13th field.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const times = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const handles = readdirSync(`/proc/${pid}/fd`).map((name) => kindOf(`/proc/${pid}/fd/${name}`));
    return {
      rssMiB: field('VmRSS') / 1024,
      peakRssMiB: field('VmHWM') / 1024,
      handles: handles.length,
      sockets: handles.filter((kind) => kind.startsWith('socket:')).length,
      threads: field('Threads'),
      cpuSeconds: (Number(times[11]) + Number(times[12])) / TICKS_A_SECOND,
    };
  } catch {
    return undefined;
  }
}

/** Processes that this one started and whose program has that name. */
export function childrenNamed(name: string): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => pid !== '' && nameOf(pid) === name).map(Number);
}

/** 0 if there is no such file. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Of all files in a folder and those in it; 0 if there is none. */
export function sizeOfFolder(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
      (sum, name) => sum + sizeOf(join(folder, name)),
      0,
    );
  } catch {
    return 0;
  }
}

function kindOf(handle: string): string {
  try {
    return readlinkSync(handle);
  } catch {
    return ''; // closed meanwhile
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** `sysconf(_SC_CLK_TCK)`, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;
