/**
 * The vessel of the demo as one can do things to it: its programs as separate processes, a broker, a serial line, and between
 * them stretches of network that can be cut. It knows what they report; who is hurt when is the business of chaos.ts.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ORDERS } from '../../device-examples/vessel/collections.js';
import { compareAll, readDigests, type Comparison, type Digests } from '../../device-examples/vessel/compare.js';
import type { Logs } from '../../device-examples/vessel/logs.js';
import type { Activity, Report } from '../../device-examples/vessel/parent.js';
import { ROLES, type Role } from '../../device-examples/vessel/readings.js';
import { Station } from '../../device-examples/vessel/station.js';
import { openSerialLine, type SerialLine } from '../conformance/index.js';
import { startMosquitto, type Mosquitto } from '../support/mosquitto.js';
import { NetworkLink } from './network.js';
import { childrenNamed } from './proc.js';
import { programIn } from './programs.js';
import { PEERS, type Part, type Peer } from './record.js';

export interface FleetOptions {
  readonly folder: string;
  /** The folder of the compiled programs. */
  readonly programs: string;
  readonly logs: Logs;
  readonly pace: Readonly<Record<Role, number>>;
  readonly keepSeconds: number;
  readonly seed: number;
  /** Fails whatever is waited for. */
  readonly signal: AbortSignal;
  /** A peer told something. */
  readonly onReport: (peer: Peer, report: Report) => void;
  /** Something that people should know. */
  readonly tell: (news: string) => void;
}

/** Which stretch of network: between whom. */
export type LinkName = 'navigation–bridge' | 'weather–broker' | 'bridge–broker' | 'bridge–shore';

export const BAUD_RATE = 115_200;
/** One bit in a hundred thousand is flipped when nothing happens, as in the demo. */
export const USUAL_NOISE = 1e-5;

type Listening = Extract<Report, { type: 'listening' }>;

export class Fleet {
  readonly line: SerialLine;
  readonly broker: Mosquitto;
  readonly links: ReadonlyMap<LinkName, NetworkLink>;
  /** How each node's replicator fares. */
  readonly activities = new Map<Role, Activity>();
  /** The highest number that a node has given to a reading, and how many of them are elsewhere. */
  readonly saved = new Map<Role, number>();
  readonly onBridge = new Map<Role, number>();
  readonly onShore = new Map<Role, number>();
  /** Documents in each database now. */
  readonly documents = new Map<Peer, number>();
  readonly #options: FleetOptions;
  readonly #stations = new Map<Peer, Station>();
  readonly #listening = new Map<Peer, Listening>();
  /** Ports that were chosen at the first start. */
  readonly #ports = new Map<Peer, number>();
  readonly #digestsWritten = new Set<Peer>();
  /** Documents that came back to the nodes: before they were started last, and since. */
  readonly #returned = new Map<Role, { before: number; now: number }>();
  readonly #passwords = { navigation: newPassword(), weather: newPassword(), engine: newPassword() };
  readonly #shorePassword = newPassword();
  readonly #ends: (() => unknown)[];
  readonly #waiting = new Set<() => void>();
  #isPlaying = false;
  #failure: Error | undefined;

  static async open(options: FleetOptions): Promise<Fleet> {
    const ends: (() => unknown)[] = [];
    // It ends with a test; here with the fleet.
    const context = { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext;
    const broker = await startMosquitto(context);
    const line = await openSerialLine({ baudRate: BAUD_RATE, bitErrorRate: USUAL_NOISE, seed: options.seed });
    const names: LinkName[] = ['navigation–bridge', 'weather–broker', 'bridge–broker', 'bridge–shore'];
    const links = new Map(await Promise.all(names.map(async (name) => [name, await NetworkLink.open()] as const)));
    for (const [name, link] of links) if (name.endsWith('broker')) link.targetPort = broker.port();
    return new Fleet(options, { broker, line, links, ends });
  }

  private constructor(
    options: FleetOptions,
    media: { broker: Mosquitto; line: SerialLine; links: Map<LinkName, NetworkLink>; ends: (() => unknown)[] },
  ) {
    this.#options = options;
    [this.broker, this.line, this.links, this.#ends] = [media.broker, media.line, media.links, media.ends];
    options.signal.addEventListener('abort', () => this.fail(new Error('interrupted')));
  }

  /** Documents that were purged on a node and offered to it again. */
  get returned(): number {
    return [...this.#returned.values()].reduce((sum, { before, now }) => sum + before + now, 0);
  }

  /** The processes that run now. */
  pids(): { readonly part: Part; readonly pid: number }[] {
    const peers = [...this.#stations].flatMap(([part, { pid }]) => (pid === undefined ? [] : [{ part, pid }]));
    return [...peers, ...childrenNamed('mosquitto').map((pid) => ({ part: 'broker' as const, pid }))];
  }

  /** Resolves when it listens, or has told what it has. A node then saves if the others do. */
  async start(peer: Peer): Promise<void> {
    const { onReport, tell } = this.#options;
    let isUp = false;
    const settings = peer === 'shore' ? this.#shoreSettings() : this.#settingsOf(peer);
    const isNode = peer !== 'shore' && peer !== 'bridge';
    const station = new Station({
      name: peer,
      module: programIn(this.#options.programs, isNode ? 'node' : peer),
      execArgv: [],
      args: isNode ? [peer] : [],
      settings,
      onReport: (report) => {
        isUp ||= report.type === (isNode ? 'saved' : 'listening');
        this.#take(peer, report);
        onReport(peer, report);
      },
      onLine: tell,
      onLost: (error) => this.fail(error),
    });
    this.#stations.set(peer, station);
    await this.until(() => isUp, START_TIMEOUT_MS, `${peer} to start`);
    if (isNode && this.#isPlaying) this.#goOn(peer);
  }

  /** Ends it with SIGKILL, or in order. */
  async end(peer: Peer, how: 'kill' | 'stop'): Promise<void> {
    const station = this.#stations.get(peer);
    this.#stations.delete(peer);
    await station?.[how]();
    if (peer === 'bridge' || peer === 'shore') return;
    const { before, now } = this.#returned.get(peer) ?? { before: 0, now: 0 };
    this.#returned.set(peer, { before: before + now, now: 0 });
  }

  /** All nodes save at their pace. */
  play(): void {
    this.#isPlaying = true;
    for (const role of ROLES) this.#goOn(role);
  }

  pause(): void {
    this.#isPlaying = false;
    for (const role of ROLES) this.#stations.get(role)?.order({ type: 'pause' });
  }

  /** Documents of all nodes that are not on the shore. */
  get missing(): number {
    return ROLES.reduce((sum, role) => sum + (this.saved.get(role) ?? 0) - (this.onShore.get(role) ?? 0), 0);
  }

  /**
   * Compares what the nodes ever saved with what the bridge has, and that with the shore. What a node has forgotten is in its
   * journal; what it has must be the same there.
   */
  async compare(): Promise<Comparison> {
    const folder = join(this.#options.folder, 'digests');
    await mkdir(folder, { recursive: true });
    const file = (peer: Peer): string => join(folder, `${peer}.txt`);
    this.#digestsWritten.clear();
    for (const [peer, station] of this.#stations) station.order({ type: 'write-digests', file: file(peer) });
    await this.until(() => this.#digestsWritten.size === PEERS.length, START_TIMEOUT_MS, 'the digests');
    const nodes = await Promise.all(
      ROLES.map(async (role) => unite(await readDigests(this.#journalOf(role)), await readDigests(file(role)))),
    );
    return compareAll(nodes, await readDigests(file('bridge')), await readDigests(file('shore')), `${ORDERS}/`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stations.keys()].map((peer) => this.end(peer, 'stop')));
    for (const link of this.links.values()) link.close();
    await this.line.close();
    for (const end of this.#ends.reverse()) await end();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Resolves once it holds; false when the time is over, unless there is a name for what was waited for. */
  async until(condition: () => boolean, timeoutMs: number, what?: string): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure;
      const left = deadline - performance.now();
      if (left <= 0 && what !== undefined) throw new Error(`waited ${timeoutMs / 1_000} s in vain for ${what}`);
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #goOn(role: Role): void {
    this.#stations.get(role)?.order({ type: 'go-on', rate: this.#options.pace[role] });
  }

  #take(peer: Peer, report: Report): void {
    if (report.type === 'listening') {
      this.#listening.set(peer, report);
      this.#ports.set(peer, report.port);
      const link = this.links.get(peer === 'bridge' ? 'navigation–bridge' : 'bridge–shore');
      if (link !== undefined) link.targetPort = report.port;
    } else if (report.type === 'stored') {
      const where = peer === 'bridge' ? this.onBridge : this.onShore;
      for (const role of ROLES) where.set(role, report.counts[role]);
      this.documents.set(
        peer,
        ROLES.reduce((sum, role) => sum + report.counts[role], 0),
      );
    } else if (report.type === 'digests-written') this.#digestsWritten.add(peer);
    else if (peer !== 'bridge' && peer !== 'shore') this.#takeOfNode(peer, report);
    this.#wake();
  }

  #takeOfNode(role: Role, report: Report): void {
    if (report.type === 'saved') this.saved.set(role, report.saved);
    if (report.type === 'link') this.activities.set(role, report.activity);
    if (report.type !== 'kept') return;
    this.documents.set(role, report.documents);
    this.#returned.set(role, { before: this.#returned.get(role)?.before ?? 0, now: report.returned });
  }

  #shoreSettings(): Record<string, string> {
    return {
      SHORE_FOLDER: join(this.#options.folder, 'shore'),
      SHORE_PORT: String(this.#ports.get('shore') ?? 0),
      SHORE_PASSWORD: this.#shorePassword,
    };
  }

  #settingsOf(peer: Role | 'bridge'): Record<string, string> {
    const { folder, logs, keepSeconds } = this.#options;
    const [bridgeEnd, engineEnd] = this.line.ends.map(({ path }) => ({ path, baudRate: BAUD_RATE }));
    const port = (name: LinkName): number => this.links.get(name)?.port ?? 0;
    if (peer === 'bridge') {
      return {
        BRIDGE_FOLDER: join(folder, peer),
        BRIDGE_PORT: String(this.#ports.get(peer) ?? 0),
        BRIDGE_BROKER: `mqtt://127.0.0.1:${port('bridge–broker')}`,
        BRIDGE_SERIAL: JSON.stringify(bridgeEnd),
        BRIDGE_PASSWORDS: JSON.stringify(this.#passwords),
        SHORE_URL: `wss://127.0.0.1:${port('bridge–shore')}/shore`,
        SHORE_FINGERPRINT: this.#listening.get('shore')?.fingerprint ?? '',
        SHORE_PASSWORD: this.#shorePassword,
      };
    }
    const targets = {
      navigation: { over: 'wss', url: `wss://127.0.0.1:${port('navigation–bridge')}/vessel` },
      weather: { over: 'mqtt', broker: `mqtt://127.0.0.1:${port('weather–broker')}`, clientId: peer },
      engine: { over: 'serial', ...engineEnd },
    };
    return {
      NODE_TARGET: JSON.stringify(targets[peer]),
      NODE_FOLDER: join(folder, peer),
      NODE_PASSWORD: this.#passwords[peer],
      NODE_KEEP_SECONDS: String(keepSeconds),
      NODE_JOURNAL: this.#journalOf(peer),
      BRIDGE_FINGERPRINT: this.#listening.get('bridge')?.fingerprint ?? '',
      NMEA_LOG: logs.files[peer],
      // Nothing by itself: it is told when to save, and at what pace.
      NMEA_COUNT: '0',
      NMEA_RATE: '1',
    };
  }

  #journalOf(role: Role): string {
    return join(this.#options.folder, `${role}.journal`);
  }
}

/** What is different in the second is different from everything. */
function unite(journal: Digests, now: Digests): Digests {
  const all = new Map(journal);
  for (const [name, digest] of now) {
    all.set(name, (journal.get(name) ?? digest) === digest ? digest : `${digest}, not as it was saved`);
  }
  return all;
}

/** A new one for each run: nobody can guess it, and nothing has to be kept. */
function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** On a machine that does much else. */
const START_TIMEOUT_MS = 120_000;
