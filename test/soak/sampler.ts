/** Looks at everything every few seconds, from outside, and times documents on their way. */
import { join } from 'node:path';
import type { Report } from '../../device-examples/vessel/parent.js';
import { ROLES, type Role } from '../../device-examples/vessel/readings.js';
import type { Fleet } from './fleet.js';
import { figuresOf, sizeOf, sizeOfFolder } from './proc.js';
import { PEERS, type Absence, type Peer, type Probe, type ProcessSample, type Sample } from './record.js';

export interface SamplerOptions {
  readonly fleet: Fleet;
  readonly folder: string;
  /** Seconds since the beginning. */
  readonly now: () => number;
  /** Above that the soak ends. */
  readonly maxBytes: number;
}

export class Sampler {
  readonly samples: Sample[] = [];
  readonly probes: Probe[] = [];
  readonly absences: Absence[] = [];
  readonly #options: SamplerOptions;
  /** Processor time of each process at the sample before. */
  readonly #cpu = new Map<number, { readonly at: number; readonly seconds: number }>();
  /** Probes on their way, by node and destination: one at a time. */
  readonly #underWay = new Map<string, { readonly at: number; readonly number: number }>();
  readonly #awaySince = new Map<Role, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: SamplerOptions, everySeconds: number) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sample(), everySeconds * 1_000);
  }

  /** To be told of every report. */
  take(peer: Peer, report: Report): void {
    const at = this.#options.now();
    if (report.type === 'stored' && (peer === 'bridge' || peer === 'shore')) {
      for (const role of ROLES) this.#arrived(role, peer, report.counts[role], at);
    } else if (peer === 'bridge' || peer === 'shore') {
      return;
    } else if (report.type === 'saved') {
      for (const to of ['bridge', 'shore']) {
        const name = `${peer} ${to}`;
        if (!this.#underWay.has(name)) this.#underWay.set(name, { at, number: report.saved });
      }
    } else if (report.type === 'link') {
      const isThere = report.activity === 'idle' || report.activity === 'busy';
      const from = this.#awaySince.get(peer);
      if (!isThere) this.#awaySince.set(peer, from ?? at);
      else if (from !== undefined) {
        this.absences.push({ role: peer, from, to: at });
        this.#awaySince.delete(peer);
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    const to = this.#options.now();
    for (const [role, from] of this.#awaySince) this.absences.push({ role, from, to });
  }

  #arrived(role: Role, to: 'bridge' | 'shore', count: number, at: number): void {
    const probe = this.#underWay.get(`${role} ${to}`);
    if (probe === undefined || count < probe.number) return;
    this.#underWay.delete(`${role} ${to}`);
    this.probes.push({ at: probe.at, role, to, milliseconds: (at - probe.at) * 1_000 });
  }

  #sample(): void {
    const { fleet, folder, now, maxBytes } = this.#options;
    const at = now();
    const processes = fleet.pids().flatMap(({ part, pid }): ProcessSample[] => {
      const figures = figuresOf(pid);
      if (figures === undefined) return [];
      const { cpuSeconds, ...rest } = figures;
      const before = this.#cpu.get(pid);
      this.#cpu.set(pid, { at, seconds: cpuSeconds });
      const cpu = before === undefined ? 0 : (cpuSeconds - before.seconds) / (at - before.at);
      return [{ part, pid, ...rest, cpu }];
    });
    const peers = PEERS.map((peer) => ({
      peer,
      databaseBytes: sizeOf(join(folder, peer, 'db.sqlite3')),
      walBytes: sizeOf(join(folder, peer, 'db.sqlite3-wal')),
      blobBytes: sizeOfFolder(join(folder, peer, 'blobs')),
      documents: fleet.documents.get(peer),
    }));
    const count = (counts: ReadonlyMap<Role, number>, role: Role): number => counts.get(role) ?? 0;
    const lags = ROLES.map((role) => ({
      role,
      saved: count(fleet.saved, role),
      onBridge: count(fleet.onBridge, role),
      onShore: count(fleet.onShore, role),
    }));
    this.samples.push({ at, processes, peers, lags });
    const bytes = sizeOfFolder(folder);
    if (bytes > maxBytes) {
      const [is, most] = [bytes, maxBytes].map((size) => (size / 1e9).toFixed(1));
      fleet.fail(new Error(`the soak takes ${is} GB of disk, more than the ${most} GB it may: it ends here`));
    }
  }
}
