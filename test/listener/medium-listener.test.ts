/** What the listeners of media without HTTP share: starting and stopping, TLS and the handshake over each connection. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  deferred,
  HawserError,
  Lifecycle,
  ListenerPasswordAuthenticator,
  loopbackPair,
  MediumListener,
  MessageEndpoint,
  Replicator,
  type ListenerHost,
  type ListenerMedium,
  type MediumListenerOptions,
} from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { connectOptions } from '../support/connect-options.js';
import { openPeer } from '../support/peers.js';

const LIMIT = { timeout: 120_000 };
const SELF_SIGNED = { trust: { acceptOnlySelfSignedServerCertificate: true } };

/** Its medium is memory. */
class MemoryListener extends MediumListener {
  host: ListenerHost | undefined;
  opened = 0;
  closed = 0;
  problem: HawserError | undefined;

  constructor(options: MediumListenerOptions & { readonly channel?: number }) {
    super('MemoryListener', options, ['channel']);
  }

  protected async openMedium(host: ListenerHost): Promise<ListenerMedium> {
    if (this.problem !== undefined) throw this.problem;
    this.host = host;
    this.opened++;
    return { close: async () => void this.closed++ };
  }

  endpoint(database: string): MessageEndpoint {
    const createConnection = () => {
      const { a, b } = loopbackPair();
      this.host?.accept(b, 'memory');
      return a;
    };
    return new MessageEndpoint('memory', undefined, 'messageStream', { createConnection }, { tls: true, database });
  }
}

async function listenerOf(context: TestContext, options: Partial<MediumListenerOptions> = {}) {
  const peer = await openPeer(context, 'bridge');
  const listener = new MemoryListener({ collections: [peer.metrics], ...options });
  cleanup(context, () => listener.stop());
  return { peer, listener };
}

describe('a MediumListener', LIMIT, () => {
  it('is made with options that are right, or not at all', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    new MemoryListener({ collections: [metrics], channel: 3 });
    for (const [options, code, text] of [
      [{ collections: [metrics], chanel: 3 }, 'OPTION_UNKNOWN', /MemoryListener.*chanel/],
      [{ collections: [metrics], disableTLS: 'no' }, 'ARGUMENT_INVALID', /MemoryListener: disableTLS/],
      [{ collections: [metrics], protocolType: 'byteStream' }, 'OPTION_UNKNOWN', /protocolType/],
      [undefined, 'ARGUMENT_INVALID', /options are required/],
    ] as const) {
      assert.throws(
        () => new MemoryListener(options as never),
        (error: HawserError) => error.code === code && text.test(error.message),
      );
    }
  });

  it('lets peers in over TLS with a password, tells who they are, and stops', async (context) => {
    const authenticator = ListenerPasswordAuthenticator.forUsers({ engine: 'secret' });
    const { peer, listener } = await listenerOf(context, { authenticator });
    const { metrics } = await openPeer(context, 'engine');
    await metrics.save('a', {});
    await listener.start();
    await listener.start();
    assert.equal(listener.opened, 1, 'a second start is none');
    const replicator = new Replicator({
      collections: [metrics],
      target: listener.endpoint('bridge'),
      authenticator: new BasicAuthenticator('engine', 'secret'),
      pinnedServerCertificate: (await listener.tlsIdentity())!.certificate,
      continuous: true,
    });
    cleanup(context, () => replicator.stop());
    replicator.start();
    await replicator.whenIdle();
    assert.equal(await peer.metrics.count(), 1);
    assert.deepEqual(
      listener.peers.map(({ address, username }) => [address, username]),
      [['memory', 'engine']],
    );
    const offline = deferred();
    replicator.on('status', ({ activity }) => void (activity === 'offline' && offline.resolve()));
    await listener.stop();
    await offline.promise;
    assert.deepEqual([listener.closed, listener.isListening, listener.status.connectionCount], [1, false, 0]);
  });

  it('is not started by a medium that fails, and can be started when that is mended', async (context) => {
    const { listener } = await listenerOf(context);
    listener.problem = new HawserError('LISTENER_PORT_IN_USE', 'taken');
    await assert.rejects(listener.start(), { code: 'LISTENER_PORT_IN_USE' });
    assert.equal(listener.isListening, false);
    listener.problem = undefined;
    await listener.start();
    assert.equal(listener.isListening, true);
  });

  it('takes nobody while it says good-bye to the others, and stays one that its database stops', async (context) => {
    const { peer, listener } = await listenerOf(context);
    await listener.start();
    const connect = (onClose: () => void) => {
      const connection = listener.endpoint('bridge').createConnection(connectOptions(SELF_SIGNED));
      cleanup(context, () => connection.close());
      return connection.open({ receive: () => undefined, close: onClose });
    };
    const late = deferred<unknown>();
    await connect(
      () =>
        void connect(() => undefined).then(
          () => late.resolve('let in'),
          (error: unknown) => late.resolve(error),
        ),
    );
    await listener.stop();
    assert.equal(((await late.promise) as HawserError).code, 'CONNECTION_CLOSED_BY_PEER');
    await listener.start();
    await peer.database.close();
    assert.deepEqual([listener.closed, listener.isListening], [2, false]);
  });

  it('stops before its database closes, and starts on none that has closed', async (context) => {
    const { peer, listener } = await listenerOf(context);
    await listener.start();
    await peer.database.close();
    assert.deepEqual([listener.closed, listener.isListening], [1, false]);
    await assert.rejects(listener.start(), { code: 'DATABASE_CLOSED' });
  });

  it('refuses to stop inside a batch, which its peers would wait for', async (context) => {
    const { peer, listener } = await listenerOf(context);
    await listener.start();
    await peer.database.inBatch(() => assert.rejects(listener.stop(), { code: 'DATABASE_IN_BATCH' }));
    assert.equal(listener.isListening, true);
  });
});

describe('a Lifecycle', LIMIT, () => {
  function lifecycle() {
    const gate = deferred();
    const steps: string[] = [];
    let count = 0;
    const life = new Lifecycle<number>({
      start: async () => {
        await gate.promise;
        steps.push(`start ${++count}`);
        return count;
      },
      stop: async (running) => void steps.push(`stop ${running}`),
    });
    return { life, gate, steps };
  }

  it('leaves nothing open when a stop overtakes a start', async () => {
    const { life, gate, steps } = lifecycle();
    const starting = life.start();
    const stopping = life.stop();
    gate.resolve();
    await assert.rejects(starting, { code: 'LISTENER_STOPPED' });
    await stopping;
    assert.deepEqual([steps, life.running], [['start 1', 'stop 1'], undefined]);
  });

  it('makes everything anew, one after the other', async () => {
    const { life, gate, steps } = lifecycle();
    gate.resolve();
    await life.start();
    const stopping = life.stop();
    await Promise.all([life.start(), stopping, life.start()]);
    assert.deepEqual(steps, ['start 1', 'stop 1', 'start 2']);
    assert.equal(life.running, 2);
    await Promise.all([life.stop(), life.stop()]);
    assert.deepEqual(steps.slice(3), ['stop 2']);
  });
});
