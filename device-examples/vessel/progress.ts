/** How far each node has come, put together from its own reports and those of the bridge and the shore. */
import type { Activity, Report } from './parent.js';
import { ROLES, type Reading, type Role } from './readings.js';

export interface NodeProgress {
  readonly role: Role;
  /** Documents in its database, and how many there will be. */
  readonly saved: number;
  readonly total: number;
  /** Documents of it that are stored on the bridge. */
  readonly synced: number;
  /** And on the shore. */
  readonly landed: number;
  readonly link: Activity;
  /** What its link has done; undefined over a medium that needs none. */
  readonly figures: Figures | undefined;
  /** The last reading that people look at. */
  readonly latest: Reading | undefined;
}

export interface Figures {
  readonly over: 'wss' | 'mqtt' | 'serial';
  readonly roundTripMs: number | undefined;
  readonly retransmissions: number;
  /** Payload that left, in bytes a second since the report before. */
  readonly goodput: number;
}

/** Who reports. */
export type Reporter = Role | 'bridge' | 'shore';

export class Progress {
  readonly #nodes = new Map<Role, NodeProgress>();
  /** The last figures of each node, to tell what has come since. */
  readonly #reported = new Map<Role, { readonly sentBytes: number; readonly at: number }>();
  /** Nodes that were told of as offline. */
  readonly #away = new Set<Role>();
  readonly #tell: (news: string) => void;

  /** @param tell is called when a node loses the bridge or finds it again */
  constructor(tell: (news: string) => void) {
    this.#tell = tell;
    for (const role of ROLES) {
      this.#nodes.set(role, {
        ...{ role, saved: 0, total: 0, synced: 0, landed: 0 },
        ...{ link: 'connecting', figures: undefined, latest: undefined },
      });
    }
  }

  get nodes(): readonly NodeProgress[] {
    return [...this.#nodes.values()];
  }

  /** Of all nodes together. */
  sum(what: 'saved' | 'synced' | 'landed' | 'total'): number {
    return this.nodes.reduce((sum, node) => sum + node[what], 0);
  }

  /** Takes in what somebody reports. */
  take(name: Reporter, report: Report): void {
    if (report.type === 'stored') {
      const where = name === 'shore' ? 'landed' : 'synced';
      for (const role of ROLES) this.#update(role, { [where]: report.counts[role] });
    } else if (name === 'bridge' || name === 'shore') {
      return;
    } else if (report.type === 'saved') {
      const { saved, total, latest = this.#nodes.get(name)?.latest } = report;
      this.#update(name, { saved, total, latest });
    } else if (report.type === 'figures') {
      this.#update(name, { figures: this.#figures(name, report) });
    } else if (report.type === 'link') {
      this.#update(name, { link: report.activity });
      this.#tellLink(name, report);
    }
  }

  /** A link that was made anew begins at nothing. */
  #figures(role: Role, report: Extract<Report, { type: 'figures' }>): Figures {
    const { over, roundTripMs, retransmissions, sentBytes, at } = report;
    const before = this.#reported.get(role);
    this.#reported.set(role, { sentBytes, at });
    const seconds = (at - (before?.at ?? at)) / 1_000;
    const bytes = Math.max(0, sentBytes - (before?.sentBytes ?? 0));
    return { over, roundTripMs, retransmissions, goodput: seconds === 0 ? 0 : bytes / seconds };
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
