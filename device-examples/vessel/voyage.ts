/**
 * One run of the demo: starts shore, bridge and nodes, kills the bridge and starts it again, and waits for what they report.
 * When it does which is the business of main.ts.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ORDERS } from './collections.js';
import { compareAll, readDigests, type Comparison } from './compare.js';
import type { Logs } from './logs.js';
import { BAUD_RATE, type Media } from './media.js';
import type { Report } from './parent.js';
import { isConnected, Progress, type Reporter } from './progress.js';
import { ROLES, type Role } from './readings.js';
import { Station } from './station.js';
import type { Target } from './target.js';

export interface VoyageOptions {
  /** Where each process has its database. */
  readonly folder: string;
  readonly logs: Logs;
  readonly media: Media;
  /** How long the replay lasts. */
  readonly seconds: number;
  /** Fails whatever is waited for. */
  readonly signal: AbortSignal;
  /** What happened, in a sentence. */
  readonly tell: (news: string) => void;
}

/** Somebody who listens: where, and what he is known by. */
interface Listening {
  readonly url: string;
  readonly port: number;
  readonly fingerprint: string;
}

export class Voyage {
  readonly progress: Progress;
  readonly #options: VoyageOptions;
  readonly #passwords = { navigation: newPassword(), weather: newPassword(), engine: newPassword() };
  readonly #shorePassword = newPassword();
  readonly #stations = new Map<Reporter, Station>();
  /** Nodes that have told how many readings there will be. */
  readonly #ready = new Set<string>();
  readonly #digestsWritten = new Set<string>();
  #bridge: Listening | undefined;
  #shore: Listening | undefined;
  /** Chosen at the first start of the bridge and kept. */
  #port = 0;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(options: VoyageOptions) {
    this.#options = options;
    this.progress = new Progress(options.tell);
    options.signal.addEventListener('abort', () => this.#fail(new Error('interrupted')));
  }

  /** Where the bridge listens; undefined while it does not. */
  get bridgeURL(): string | undefined {
    return this.#bridge?.url;
  }

  get shoreURL(): string | undefined {
    return this.#shore?.url;
  }

  async startShore(): Promise<void> {
    this.#start('shore', 'shore.ts', [], {
      SHORE_FOLDER: join(this.#options.folder, 'shore'),
      SHORE_PORT: '0',
      SHORE_PASSWORD: this.#shorePassword,
    });
    await this.#until(() => this.#shore !== undefined);
  }

  async startBridge(): Promise<void> {
    const { folder, media } = this.#options;
    const [end] = media.line?.ends ?? [];
    this.#start('bridge', 'bridge.ts', [], {
      BRIDGE_FOLDER: join(folder, 'bridge'),
      BRIDGE_PORT: String(this.#port),
      BRIDGE_BROKER: media.brokerURL,
      BRIDGE_SERIAL: end === undefined ? '' : JSON.stringify({ path: end.path, baudRate: BAUD_RATE }),
      BRIDGE_PASSWORDS: JSON.stringify(this.#passwords),
      SHORE_URL: this.#shore?.url ?? '',
      SHORE_FINGERPRINT: this.#shore?.fingerprint ?? '',
      SHORE_PASSWORD: this.#shorePassword,
    });
    await this.#until(() => this.#bridge !== undefined);
    this.#port = this.#bridge?.port ?? 0;
  }

  async startNodes(): Promise<void> {
    const { folder, logs, seconds } = this.#options;
    for (const role of ROLES) {
      this.#start(role, 'node.ts', [role], {
        NODE_TARGET: JSON.stringify(this.#targetOf(role)),
        BRIDGE_FINGERPRINT: this.#bridge?.fingerprint ?? '',
        NODE_PASSWORD: this.#passwords[role],
        NODE_FOLDER: join(folder, role),
        NMEA_LOG: logs.files[role],
        NMEA_COUNT: String(logs.counts[role]),
        NMEA_RATE: String(Math.max(1, logs.counts[role] / seconds)),
      });
    }
    await this.#until(() => this.#ready.size === ROLES.length);
  }

  /** When half of the readings are saved and every node is connected. */
  async halfWay(): Promise<void> {
    const { progress } = this;
    const half = (progress.sum('saved') + progress.sum('total')) / 2;
    await this.#until(() => progress.sum('saved') >= half && progress.nodes.every(({ link }) => isConnected(link)));
  }

  /**
   * SIGKILL: no farewell, nothing flushed. Resolves when every node has noticed, but for one on a serial line: there a bridge that
   * is gone is as quiet as one that is busy, until it is back and knows nothing of the link.
   */
  async killBridge(): Promise<void> {
    await this.#stations.get('bridge')?.kill();
    this.#bridge = undefined;
    const { nodes } = this.progress;
    await this.#until(() => nodes.every(({ role }) => this.#isOffline(role) || this.#targetOf(role).over === 'serial'));
  }

  #isOffline(role: Role): boolean {
    return this.progress.nodes.some((node) => node.role === role && node.link === 'offline');
  }

  /** When every reading is on the shore; false if nothing moves any more. */
  async synced(): Promise<boolean> {
    const { progress } = this;
    const moved = (): number => progress.sum('saved') + progress.sum('synced') + progress.sum('landed');
    for (;;) {
      const before = moved();
      if (await this.#until(() => progress.sum('landed') >= progress.sum('total'), STALLED_MS)) return true;
      if (moved() === before) return false;
    }
  }

  /** Has every process write down its digests, and compares them. */
  async compare(): Promise<Comparison> {
    const folder = join(this.#options.folder, 'digests');
    await mkdir(folder, { recursive: true });
    const file = (name: string): string => join(folder, `${name}.txt`);
    for (const [name, station] of this.#stations) station.order({ type: 'write-digests', file: file(name) });
    await this.#until(() => this.#digestsWritten.size === this.#stations.size);
    const nodes = await Promise.all(ROLES.map((role) => readDigests(file(role))));
    const [bridge, shore] = [await readDigests(file('bridge')), await readDigests(file('shore'))];
    return compareAll(nodes, bridge, shore, `${ORDERS}/`);
  }

  /** The nodes go on with the log, slowly, until the signal fires. */
  async goOn(): Promise<void> {
    for (const role of ROLES) this.#stations.get(role)?.order({ type: 'go-on', rate: 10 });
    await this.#until(() => this.#options.signal.aborted);
  }

  /** Ends every process. */
  async end(): Promise<void> {
    await Promise.all([...this.#stations.values()].map((station) => station.stop()));
  }

  /** Each node has a medium of its own; where there can be no serial line the engine room takes the network too. */
  #targetOf(role: Role): Target {
    const { media } = this.#options;
    const end = media.line?.ends[1];
    if (role === 'engine' && end !== undefined) return { over: 'serial', path: end.path, baudRate: BAUD_RATE };
    if (role === 'weather') return { over: 'mqtt', broker: media.brokerURL, clientId: role };
    return { over: 'wss', url: this.#bridge?.url ?? '' };
  }

  #start(name: Reporter, module: string, args: readonly string[], settings: Readonly<Record<string, string>>): void {
    const station = new Station({
      ...{ name, module, args, settings },
      onReport: (report) => this.#take(name, report),
      onLine: this.#options.tell,
      onLost: (error) => this.#fail(error),
    });
    this.#stations.set(name, station);
  }

  #take(name: Reporter, report: Report): void {
    if (report.type === 'listening' && name === 'shore') this.#shore = report;
    else if (report.type === 'listening') this.#bridge = report;
    else if (report.type === 'digests-written') this.#digestsWritten.add(name);
    else {
      if (report.type === 'saved') this.#ready.add(name);
      this.progress.take(name, report);
    }
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** True once `condition` holds, false when the time is over. Throws what made the demo fail. One wait at a time. */
  async #until(condition: () => boolean, timeoutMs = 0): Promise<boolean> {
    let isOver = false;
    const giveUp = (): void => {
      isOver = true;
      this.#wake();
    };
    const timer = timeoutMs > 0 ? setTimeout(giveUp, timeoutMs) : undefined;
    try {
      while (!condition()) {
        if (this.#failure !== undefined) throw this.#failure;
        if (isOver) return false;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A new one for each run: nobody can guess it, and nothing has to be kept. */
function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** Longer than any wait between two attempts to connect in a run of the usual length. */
const STALLED_MS = 30_000;
