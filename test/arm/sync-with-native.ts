/**
 * A process on an emulated ARM processor syncs with one on this processor: over wss, through a broker and on a serial line, in both
 * roles, with TLS and a pinned certificate. Documents, a blob, updates and deletions go both ways; the ARM process is killed in the
 * middle and comes back. At the end both have the same IDs, revisions, bodies, blobs and tombstones. Run by scripts/arm/.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { seededRandom } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { openSerialLine, serialLineProblem } from '../conformance/index.js';
import { Peer, type Contents, type Machine, type Revision } from './peer.js';

const { HAWSER_ARM_NAME: name = '', HAWSER_ARM_STAGE: stage, HAWSER_ARM_NODE: node } = process.env;
if (stage === undefined || node === undefined) throw new Error('run by npm run test:arm');
const ARM: Machine = { stage, node };
const ARCHITECTURES: Readonly<Record<string, string>> = { arm64: 'arm64', armv7: 'arm' };

/** An emulated process takes seconds to start, and more on a busy machine. */
const LIMIT = { timeout: 900_000 };
const FEW = 10;
const MANY = 60;

type Saved = { readonly revisions: readonly Revision[] };
type Options = Readonly<Record<string, unknown>>;

/** What the two ends of a medium are told. */
interface Ends {
  readonly listener: Options;
  readonly target: (port: number | null) => Options;
}

interface Medium {
  readonly name: string;
  readonly skip: string | false;
  open(context: TestContext): Promise<Ends>;
}

const wss: Medium = {
  name: 'wss',
  skip: false,
  open: async () => ({
    listener: { networkInterface: '127.0.0.1' },
    target: (port) => ({ url: `wss://127.0.0.1:${port}/vessel` }),
  }),
};

const mqtt: Medium = {
  name: 'mqtt',
  skip: mosquittoProblem() ?? false,
  async open(context) {
    const broker = await startMosquitto(context, { listeners: ['mqtts'] });
    const options = {
      url: broker.url('mqtts'),
      trustedCertificates: broker.identity.certificatePem(),
      connectTimeout: 60,
    };
    return {
      listener: { broker: { ...options, clientId: 'bridge' }, name: 'bridge' },
      target: () => ({ broker: { ...options, clientId: 'pump' }, peer: 'bridge', database: 'vessel' }),
    };
  },
};

const serial: Medium = {
  name: 'serial',
  skip: serialLineProblem() ?? false,
  async open(context) {
    const line = await openSerialLine();
    cleanup(context, () => line.close());
    const [far, near] = line.ends.map(({ path }) => ({ path, baudRate: 460_800 }));
    return { listener: { ...far }, target: () => ({ ...near, peer: 'bridge', database: 'vessel' }) };
  },
};

for (const medium of [wss, mqtt, serial])
  describe(`${name} and this processor over ${medium.name}`, { skip: medium.skip, concurrency: false }, () => {
    for (const role of ['listens', 'replicates'] as const)
      it(`${name} ${role} over ${medium.name}, is killed, comes back, and both have the same`, LIMIT, (context) =>
        sync(context, medium, role),
      );
  });

async function sync(context: TestContext, medium: Medium, role: 'listens' | 'replicates'): Promise<void> {
  const folder = await temporaryDirectory(context);
  const ends = await medium.open(context);
  const native = new Peer(context, undefined);
  let arm = new Peer(context, ARM);
  context.signal.addEventListener('abort', () =>
    context.diagnostic(`statuses of native: ${native.statuses}; of ${name}: ${arm.statuses}`),
  );
  const open = async (peer: Peer, which: string) =>
    peer.do<{ processor: string; driver: string; count: number }>('open', { folder: join(folder, which) });
  const [onNative, onArm] = await Promise.all([open(native, 'native'), open(arm, name)]);
  assert.deepEqual([onNative.processor, onArm.processor], ['x64', ARCHITECTURES[name]]);
  assert.equal(onArm.driver, 'sqlite3');

  // Both bring something along.
  let ofArm = await save(arm, name, FEW, 60_000);
  let ofNative = await save(native, 'native', FEW, 60_000);
  const { medium: used, listener, target } = { medium: medium.name, ...ends };
  const [server, client] = role === 'listens' ? [arm, native] : [native, arm];
  const served = await server.do<{ port: number | null; certificate: string }>('listen', {
    medium: used,
    options: listener,
  });
  const replication = { medium: used, target: target(served.port), certificate: served.certificate };
  await client.do('replicate', replication);
  await Promise.all([arm.do('until', ofNative), native.do('until', ofArm)]);

  // Each changes and deletes what is the other's.
  ofArm = await change(arm, 'native');
  ofNative = await change(native, name);
  await Promise.all([arm.do('until', ofNative), native.do('until', ofArm)]);

  // Power is cut as soon as something of many has arrived; the rest comes when it is back, as the same peer.
  ofNative = await save(native, 'more', MANY);
  await arm.do('untilAny', { ids: ofNative.revisions.map(([id]) => id) });
  await arm.kill();
  const late = await save(native, 'late', FEW);
  arm = new Peer(context, ARM);
  const { count } = await open(arm, name);
  context.diagnostic(`killed when it had ${count - 2 * FEW} of ${MANY} documents`);
  ofArm = await save(arm, 'after', FEW);
  if (role === 'replicates') await arm.do('replicate', replication);
  else {
    const again = served.port === null ? listener : { ...listener, port: served.port };
    const { certificate } = await arm.do<{ certificate: string }>('listen', { medium: used, options: again });
    assert.equal(certificate, served.certificate);
  }
  await Promise.all([arm.do('until', ofNative), arm.do('until', late), native.do('until', ofArm)]);

  const [here, there] = await Promise.all([native.do<Contents>('contents'), arm.do<Contents>('contents')]);
  assert.equal(here.documents.length, 2 * FEW + MANY + 2 * FEW);
  assert.equal(here.tombstones.length, 2);
  assert.equal(here.documents.filter(([, , , digest]) => digest !== null).length, 2);
  assert.deepEqual(there, here);
  for (const peer of [arm, native]) {
    assert.deepEqual(await peer.do('close'), { problems: [] });
    assert.deepEqual(await peer.leave(), { status: '0', errors: '' });
  }
}

/** Saves `count` documents called after `prefix`, one more to be deleted, and one more with a blob if it has bytes. */
function save(peer: Peer, prefix: string, count: number, blobBytes = 0): Promise<Saved> {
  const random = seededRandom(prefix.length + count);
  const documents: [string, object][] = Array.from({ length: count }, (_, index) => [
    `${prefix}-${index}`,
    {
      ...{
        type: 'telemetry',
        path: 'propulsion.port.oilPressure',
        at: `øst ${index} → 水`,
        node: prefix,
        sequence: index,
      },
      ...{ value: random.next() * 1e6, small: random.next() * 1e-9, large: 2 ** 53 - 1, whole: -index, none: null },
      samples: Array.from({ length: 20 }, () => Math.floor(random.next() * 1e9)),
    },
  ]);
  if (blobBytes > 0) {
    documents[0] = [`${prefix}-0`, { blob: Buffer.from(random.bytes(blobBytes)).toString('base64') }];
    documents.push([`${prefix}-doomed`, { isDoomed: true }]);
  }
  return peer.do<Saved>('save', { documents });
}

/** Changes one of the documents called after `prefix` and deletes another. */
async function change(peer: Peer, prefix: string): Promise<Saved> {
  const { revisions: changed } = await peer.do<Saved>('save', {
    documents: [[`${prefix}-1`, { changed: 'elsewhere' }]],
  });
  const { revisions: deleted } = await peer.do<Saved>('delete', { ids: [`${prefix}-doomed`] });
  return { revisions: [...changed, ...deleted] };
}
