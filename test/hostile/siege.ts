/**
 * What the tests attack: a listener on a real socket with an honest client on it, which pushes and pulls without end. It
 * measures what strangers cost all the while, and at the end sees to it that nothing of them is left.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import {
  BasicAuthenticator,
  ListenerPasswordAuthenticator,
  Replicator,
  type ListenerLimits,
  type ReplicatorOptions,
} from '../../src/index.js';
import { PendingHandshakes } from '../../src/listener/pending-handshakes.js';
import { URLEndpoint, URLEndpointListener, type URLEndpointListenerOptions } from '../../transports/websocket/index.js';
import { cleanup } from '../support/cleanup.js';
import { countingClock } from '../support/counting-clock.js';
import { memoryLogger } from '../support/memory-logger.js';
import { contents, openPeer, whenChanged, type Peer } from '../support/peers.js';
import { basic, type Target } from './intruder.js';
import { Ledger } from './ledger.js';
import type { Tally } from './assault.js';

export interface SiegeOptions extends Partial<URLEndpointListenerOptions> {
  /** Of the honest client. */
  readonly client?: Partial<ReplicatorOptions>;
  /** Of the attackers. @default the password of an account of its own */
  readonly target?: Partial<Target>;
}

/** Small enough to be met by a few hundred connections. */
export const LIMITS = {
  handshakeTimeout: 0.5,
  maxHandshakes: 64,
  maxHandshakesPerAddress: 16,
  maxConnections: 100,
  maxConnectionsPerAddress: 20,
  maxMessageSize: 4 * 1024 * 1024,
  maxBufferedBytes: 8 * 1024 * 1024,
} satisfies ListenerLimits;

export const PASSWORDS: Readonly<Record<string, string>> = { honest: 'correct horse', mallory: 'battery staple' };

export class Siege {
  readonly context: TestContext;
  readonly listener: URLEndpointListener;
  readonly ledger: Ledger;
  readonly target: Target;
  readonly #ours: Peer;
  readonly #honest: Peer;
  readonly #replication: ReplicatorOptions;
  readonly #replicator: Replicator;
  readonly #clock: ReturnType<typeof countingClock>;
  readonly #logger: ReturnType<typeof memoryLogger>;
  readonly #peaks = { connections: 0, handshakes: 0, memory: 0 };
  readonly #memoryBefore = memory();
  readonly #sampler: NodeJS.Timeout;
  /** The listener's own, which it shows to nobody. */
  #handshakes: PendingHandshakes | undefined;
  #lost = 0;
  readonly #hasLost = deferred<never>();
  #rounds = 0;

  private constructor(
    context: TestContext,
    parts: {
      readonly listener: URLEndpointListener;
      readonly ours: Peer;
      readonly honest: Peer;
      readonly replication: ReplicatorOptions;
      readonly replicator: Replicator;
      readonly target: Target;
    },
    tools: { clock: ReturnType<typeof countingClock>; logger: ReturnType<typeof memoryLogger> },
  ) {
    this.context = context;
    this.listener = parts.listener;
    this.target = parts.target;
    this.ledger = new Ledger(parts.listener);
    this.#ours = parts.ours;
    this.#honest = parts.honest;
    this.#replication = parts.replication;
    this.#replicator = parts.replicator;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#replicator.on('status', ({ activity, error }) => {
      if (activity !== 'offline' && activity !== 'stopped') return;
      this.#lost++;
      this.#hasLost.reject(error ?? new Error('the honest client was sent away'));
    });
    this.#hasLost.promise.catch(() => undefined); // whether anybody waits for it or not
    this.#sampler = setInterval(() => this.#sample(), 10);
    cleanup(context, () => clearInterval(this.#sampler));
  }

  static async begin(context: TestContext, options: SiegeOptions = {}): Promise<Siege> {
    const { client, target, ...rest } = options;
    const [ours, honest] = [await openPeer(context, 'ours'), await openPeer(context, 'honest')];
    const [clock, logger] = [countingClock(), memoryLogger()];
    const authenticator = new ListenerPasswordAuthenticator((user, password) => PASSWORDS[user] === password);
    const listener = new URLEndpointListener({
      ...{ collections: [ours.metrics], networkInterface: '127.0.0.1', authenticator, limits: LIMITS, clock, logger },
      ...rest,
    });
    cleanup(context, () => listener.stop());
    await listener.start();
    const secure = !listener.config.disableTLS;
    const replication: ReplicatorOptions = {
      collections: [honest.metrics],
      target: new URLEndpoint(`${secure ? 'wss' : 'ws'}://127.0.0.1:${listener.port}/ours`),
      authenticator: new BasicAuthenticator('honest', PASSWORDS['honest'] ?? ''),
      acceptOnlySelfSignedServerCertificate: secure,
      ...client,
    };
    const replicator = new Replicator({ ...replication, continuous: true });
    cleanup(context, () => replicator.stop());
    const account = { authorization: basic('mallory', PASSWORDS['mallory'] ?? '') };
    const siege = new Siege(
      context,
      {
        listener,
        ours,
        honest,
        replication,
        replicator,
        target: { port: listener.port, database: 'ours', secure, ...account, ...target },
      },
      { clock, logger },
    );
    const begun = context.mock.method(PendingHandshakes.prototype, 'begin');
    replicator.start();
    await siege.round();
    siege.#handshakes = begun.mock.calls[0]?.this as PendingHandshakes;
    begun.mock.restore();
    return siege;
  }

  /** Twenty documents on either side, and waits until both sides have all of them. Rejects if the connection is lost. */
  async round(): Promise<void> {
    const round = this.#rounds++;
    const names = (side: Peer): string[] => Array.from({ length: 20 }, (_, index) => `${side.name}-${round}-${index}`);
    const save = ({ metrics }: Peer, ids: readonly string[]): Promise<unknown> =>
      Promise.all(ids.map((id) => metrics.save(id, { round, text: id.repeat(10) })));
    const has = async ({ metrics }: Peer, ids: readonly string[]): Promise<boolean> => {
      for (const id of ids) if ((await metrics.get(id)) === undefined) return false;
      return true;
    };
    await Promise.all([save(this.#ours, names(this.#ours)), save(this.#honest, names(this.#honest))]);
    const haveAll = Promise.all([
      whenChanged(this.#ours.metrics, () => has(this.#ours, names(this.#honest))),
      whenChanged(this.#honest.metrics, () => has(this.#honest, names(this.#ours))),
    ]);
    await Promise.race([haveAll, this.#hasLost.promise]);
  }

  /** Another honest client, which comes only now and wants all there is, once. */
  async welcome(): Promise<void> {
    const { metrics } = await openPeer(this.context, 'newcomer');
    const replicator = new Replicator({ ...this.#replication, collections: [metrics], type: 'pull' });
    cleanup(this.context, () => replicator.stop());
    replicator.start();
    assert.equal(await replicator.stopped(), undefined);
    assert.ok((await metrics.count()) >= 40);
  }

  /** @param reasons what may have been told of connections that did not end in good order; see {@link Attack.reasons} */
  assertReasons(reasons: readonly string[]): void {
    const told = [...Object.keys(this.ledger.refused), ...Object.keys(this.ledger.ended)];
    assert.deepEqual(
      told.filter((code) => code !== 'ordinary' && !reasons.includes(code)),
      [],
      'told for another reason',
    );
  }

  /** The attackers are gone: whatever is true of a listener that was never attacked is true of this one. */
  async end(tallies: readonly (readonly [addresses: readonly string[], tally: Tally])[]): Promise<void> {
    const { ledger, listener } = this;
    const lost = this.#lost;
    await this.#replicator.stop();
    const again = new Replicator(this.#replication);
    again.start();
    assert.equal(await again.stopped(), undefined);
    await listener.stop();
    clearInterval(this.#sampler);
    assert.equal(lost, 0, 'the honest client lost its connection');

    assert.deepEqual(await contents(this.#honest.metrics), await contents(this.#ours.metrics));
    assert.deepEqual(await this.#ours.database.integrityCheck(), []);
    for (const [addresses, { opened, leftOutside }] of tallies) {
      // The honest client's two connections ended as well, and may have come from the same address.
      const told = ledger.told(addresses) - (addresses.includes(HONEST_ADDRESS) ? 2 : 0);
      const missing = `${told} ends were told of ${opened} connections, ${leftOutside} of which left by themselves: ${JSON.stringify([ledger.refused, ledger.ended])}`;
      assert.ok(told <= opened && told >= opened - leftOutside, missing);
    }
    assert.equal(listener.status.connectionCount, 0);
    assert.equal(this.#handshakes?.size, 0);
    assert.deepEqual(this.#clock.pending(), []);
    this.#checkPeaks();
    assert.ok(this.#logger.lines.length <= MAX_LOG_LINES, `${this.#logger.lines.length} lines of log`);
    this.context.diagnostic(
      `${this.#rounds} rounds, ${JSON.stringify(this.#peaks)}, ${this.#logger.lines.length} lines, ` +
        JSON.stringify({ refused: ledger.refused, ended: ledger.ended }),
    );
  }

  #checkPeaks(): void {
    const { connections, handshakes, memory: peak } = this.#peaks;
    const { maxConnections, maxHandshakes } = this.listener.config.limits;
    assert.ok(connections <= maxConnections, `${connections} connections`);
    assert.ok(handshakes <= maxHandshakes, `${handshakes} handshakes`);
    assert.ok(peak - this.#memoryBefore <= MAX_MEMORY, `${Math.round((peak - this.#memoryBefore) / 1e6)} MB more`);
  }

  #sample(): void {
    const peaks = this.#peaks;
    peaks.connections = Math.max(peaks.connections, this.listener.status.connectionCount);
    peaks.handshakes = Math.max(peaks.handshakes, this.#handshakes?.size ?? 0);
    peaks.memory = Math.max(peaks.memory, memory());
  }
}

/** Bytes that are in use or not given back yet, in the heap and outside. */
function memory(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + Math.max(external, arrayBuffers);
}

/**
 * Attackers, listener and honest client share a process here. The attackers' bombs and noise are some 100 MB, garbage of
 * a few hundred TLS handshakes as much; what a listener without a limit would take on is gigabytes.
 */
const MAX_MEMORY = 600_000_000;
const HONEST_ADDRESS = '127.0.0.1';
/** However many connections came: ten a minute of each of two kinds, and a summary of the others. */
const MAX_LOG_LINES = 30;
