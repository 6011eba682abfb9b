/** How far each node has come, put together from its own reports and those of the bridge. */
import type { Activity, Report } from './parent.js';
import { ROLES, type Reading, type Role } from './readings.js';

export interface NodeProgress {
  readonly role: Role;
  /** Documents in its database, and how many there will be. */
  readonly saved: number;
  readonly total: number;
  /** Documents of it that are stored on the bridge. */
  readonly synced: number;
  readonly link: Activity;
  /** The last reading that people look at. */
  readonly latest: Reading | undefined;
}

export class Progress {
  readonly #nodes = new Map<Role, NodeProgress>();
  /** Nodes that were told of as offline. */
  readonly #away = new Set<Role>();
  readonly #tell: (news: string) => void;

  /** @param tell is called when a node loses the bridge or finds it again */
  constructor(tell: (news: string) => void) {
    this.#tell = tell;
    for (const role of ROLES) {
      this.#nodes.set(role, { role, saved: 0, total: 0, synced: 0, link: 'connecting', latest: undefined });
    }
  }

  get nodes(): readonly NodeProgress[] {
    return [...this.#nodes.values()];
  }

  /** Of all nodes together. */
  sum(what: 'saved' | 'synced' | 'total'): number {
    return this.nodes.reduce((sum, node) => sum + node[what], 0);
  }

  /** Takes in what a node or the bridge reports. */
  take(name: Role | 'bridge', report: Report): void {
    if (report.type === 'stored') {
      for (const role of ROLES) this.#update(role, { synced: report.counts[role] });
    } else if (name !== 'bridge' && report.type === 'saved') {
      const { saved, total, latest = this.#nodes.get(name)?.latest } = report;
      this.#update(name, { saved, total, latest });
    } else if (name !== 'bridge' && report.type === 'link') {
      this.#update(name, { link: report.activity });
      this.#tellLink(name, report);
    }
  }

  #update(role: Role, change: Partial<NodeProgress>): void {
    const node = this.#nodes.get(role);
    if (node !== undefined) this.#nodes.set(role, { ...node, ...change });
  }

  /** Only what people want to know: an attempt to connect that fails like the one before is no news. */
  #tellLink(role: Role, { activity, reason }: Extract<Report, { type: 'link' }>): void {
    if (activity === 'offline' && !this.#away.has(role)) {
      this.#away.add(role);
      this.#tell(`${role} is offline (${reason}) and goes on saving`);
    } else if (isConnected(activity) && this.#away.delete(role)) {
      this.#tell(`${role} is connected again`);
    }
  }
}

export function isConnected(link: Activity): boolean {
  return link === 'idle' || link === 'busy';
}
