/** Processor, C library and kernel: what decides which prepared binaries fit. */
import { arch, cpus, machine, release } from 'node:os';
import { ok, type Finding } from './finding.js';

export interface MachineFacts {
  /** Of Node: `arm64`. */
  readonly arch: string;
  /** Of ARM in 32 bits: 6 or 7. */
  readonly armVersion: string | undefined;
  /** What the kernel says: `aarch64`. */
  readonly machine: string;
  readonly cores: number;
  readonly kernel: string;
  /** Undefined for musl. */
  readonly glibc: string | undefined;
}

export function checkMachine(): Finding {
  return judgeMachine({
    arch: arch(),
    armVersion: armVersion(),
    machine: machine(),
    cores: cpus().length,
    kernel: release(),
    glibc: glibcVersion(),
  });
}

export function judgeMachine({ arch, armVersion, machine, cores, kernel, glibc }: MachineFacts): Finding {
  const libc = glibc === undefined ? 'musl' : `glibc ${glibc}`;
  const name = arch === 'arm' && armVersion !== undefined ? `armv${armVersion}` : arch;
  const width = arch === 'arm' && machine === 'aarch64' ? ' The kernel has 64 bits, this Node has 32.' : '';
  const share = `${cores} ${cores === 1 ? 'core' : 'cores'}`;
  return ok('machine', `Linux ${kernel} on ${name}, ${share}, ${libc}.${width}`);
}

function armVersion(): string | undefined {
  const { variables } = process.config as { readonly variables?: { readonly arm_version?: string | number } };
  return variables?.arm_version?.toString();
}

/** Undefined where Node was built for musl. */
export function glibcVersion(): string | undefined {
  // Unless told so, the report looks up the name of every open connection. The type declarations do not know it yet.
  const { report } = process as { report: { excludeNetwork?: boolean; getReport(): unknown } };
  report.excludeNetwork = true;
  const { header } = report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
