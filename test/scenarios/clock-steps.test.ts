/**
 * Clocks of devices step: by hours when they are set, by 1,024 weeks when a receiver of satellites begins to count its weeks
 * anew, back to 1970 when the battery is empty. Nothing is lost by it, no connection ends, and whoever has pinned its peer
 * can connect.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  ClientCertificateAuthenticator,
  ListenerCertificateAuthenticator,
  Replicator,
  TLSIdentity,
  TrustOnFirstUse,
  type ListenerAuthenticator,
  type ReplicatorOptions,
} from '../../src/index.js';
import { URLEndpoint, URLEndpointListener } from '../../transports/websocket/index.js';
import { Device } from '../power/device.js';
import { issue, selfSignedIdentity, type IssueOptions } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { openPeer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { WrongClock, wrongClockProblem } from '../support/wrong-clock.js';

const HOUR = 3_600;
const WEEKS_1024 = 1_024 * 7 * 24 * HOUR;
/** Of two devices, in seconds, one step after the other. */
const STEPS: readonly (readonly [ship: number, shore: number])[] = [
  [3 * HOUR, 0],
  [-3 * HOUR, 0],
  [-WEEKS_1024, WEEKS_1024],
  [-WEEKS_1024, -WEEKS_1024],
  [WEEKS_1024, -WEEKS_1024],
  [0, 0],
];

describe('clocks that step', () => {
  it('end no connection and lose nothing, however often they do', { timeout: 120_000 }, async (context) => {
    const problem = wrongClockProblem();
    if (problem !== undefined) return context.skip(problem);
    const { ship, shore, clocks } = await rig(context);
    await ship.start(await shore.start('0'));
    await ship.ask('connect', /^connected$/);
    const begin = ship.statuses.length;
    let saved = 0;
    for (const [step, offsets] of STEPS.entries()) {
      // Half of it before the step and half after it, on both sides.
      for (const half of [0, 1]) {
        if (half === 1) await Promise.all(clocks.map((clock, index) => clock.set(offsets[index] ?? 0)));
        for (const device of [ship, shore]) device.tell(`write ${step}.${half} ${step * 2 + half} 600 30`);
        for (const device of [ship, shore]) await device.ask('finish', /^finished$/);
      }
      saved = ship.book.acknowledged + shore.book.acknowledged;
    }
    assert.ok(saved >= STEPS.length * 2 * 2 * 30, `${saved} saves`);
    // All of it over the connection that there was from the beginning.
    const told = ship.statuses.slice(begin).filter((status) => !/^(idle|busy) -$/.test(status));
    assert.deepEqual(told, []);
    await ship.ask('settle', /^settled$/);
    const [onShip, onShore] = [await contentsOf(ship), await contentsOf(shore)];
    assert.equal(onShip, onShore);
    assert.deepEqual([...ship.refusals, ...shore.refusals], []);
  });

  it(
    'end no sync of a device that starts in 1970, or with a certificate of the next cycle',
    { timeout: 120_000 },
    async (context) => {
      const problem = wrongClockProblem();
      if (problem !== undefined) return context.skip(problem);
      const { ship, shore, clocks } = await rig(context);
      const [ofShip, ofShore] = clocks as [WrongClock, WrongClock];
      // The listener makes its certificate by a clock that is a cycle ahead; the client believes that it is 1970.
      await ofShore.set(WEEKS_1024);
      await ofShip.set(-Math.floor(Date.now() / 1_000) + HOUR);
      await ship.start(await shore.start('0'));
      for (const device of [ship, shore]) device.tell('write 0 7 600 30');
      for (const device of [ship, shore]) await device.ask('finish', /^finished$/);
      await ship.ask('settle', /^settled$/);
      assert.equal(await contentsOf(ship), await contentsOf(shore));
    },
  );
});

async function rig(context: TestContext): Promise<{ ship: Device; shore: Device; clocks: readonly WrongClock[] }> {
  const parent = await temporaryDirectory(context);
  const clocks = [await WrongClock.make(join(parent, 'ship.time')), await WrongClock.make(join(parent, 'shore.time'))];
  const device = (name: string, role: 'listen' | 'replicate', clock: WrongClock | undefined): Device => {
    const made = new Device({ name, parent, fullSync: false, role, env: clock?.env ?? {} });
    cleanup(context, () => made.kill());
    return made;
  };
  return { ship: device('ship', 'replicate', clocks[0]), shore: device('shore', 'listen', clocks[1]), clocks };
}

async function contentsOf(device: Device): Promise<string> {
  const [line, count] = await device.ask('contents', /^contents (\d+) \w+$/);
  assert.ok(Number(count) > 0);
  return line;
}

/** By the clock of a device, which is what a wrong clock changes: so it is the same to move the certificate. */
const FUTURE: IssueOptions = { validFrom: new Date('2060-01-01'), validTo: new Date('2070-01-01') };
const PAST: IssueOptions = { validFrom: new Date('2006-01-01'), validTo: new Date('2016-01-01') };

describe('a certificate that a wrong clock takes for one of the future, or for expired', () => {
  for (const [when, dates] of [
    ['of the future', FUTURE],
    ['expired', PAST],
  ] as const) {
    it(`is that of a server, ${when}: it is who it is where it is pinned`, async (context) => {
      const root = await issue('fleet', { ...dates, ca: true });
      const leaf = await issue('bridge', { ...dates, issuer: root });
      const identity = new TLSIdentity({
        privateKey: leaf.privateKey,
        certs: [leaf.certificate, root.certificate],
      });
      const trustFile = await TrustOnFirstUse.open(join(await temporaryDirectory(context), 'servers.json'));
      const outcomes = await dial(context, identity, undefined, {
        pinned: { pinnedServerCertificate: identity.certificate },
        issuer: { pinnedServerCertificate: root.certificate },
        fingerprint: { pinnedServerFingerprint: identity.certificate.fingerprint256 },
        first: { serverTrustPolicy: trustFile },
        again: { serverTrustPolicy: trustFile },
      });
      assert.deepEqual(outcomes, {
        pinned: undefined,
        issuer: undefined,
        fingerprint: undefined,
        first: undefined,
        again: undefined,
      });
    });

    it(`is that of a server that signs itself, ${when}`, async (context) => {
      const identity = await selfSignedIdentity('bridge', dates);
      const outcomes = await dial(context, identity, undefined, {
        any: { acceptOnlySelfSignedServerCertificate: true },
      });
      // A clock that is behind is what a cold start gives; one that is ahead cannot be told from a certificate that is over.
      assert.deepEqual(outcomes, { any: when === 'expired' ? 'TLS_CERTIFICATE_EXPIRED' : undefined });
    });

    it(`is that of a client, ${when}: a callback knows it, roots do not`, async (context) => {
      const fleet = await issue('fleet', { ca: true });
      const client = await issue('engine', { ...dates, issuer: fleet });
      const identity = new TLSIdentity({ privateKey: client.privateKey, certs: [client.certificate] });
      const bridge = await selfSignedIdentity('bridge');
      const options = {
        pinnedServerCertificate: bridge.certificate,
        authenticator: new ClientCertificateAuthenticator(identity),
      };
      const roots = new ListenerCertificateAuthenticator([fleet.certificate]);
      const pin = new ListenerCertificateAuthenticator(
        ([certificate]) => certificate?.fingerprint256 === client.certificate.fingerprint256,
      );
      const byRoots = await dial(context, bridge, roots, { client: options });
      assert.deepEqual(byRoots, { client: 'TLS_CLIENT_CERTIFICATE_REJECTED' });
      const byCallback = await dial(context, bridge, pin, { client: options });
      assert.deepEqual(byCallback, { client: undefined });
    });
  }
});

/** Connects once with each of the options, and tells what it ended with. */
async function dial<Name extends string>(
  context: TestContext,
  tlsIdentity: TLSIdentity,
  authenticator: ListenerAuthenticator | undefined,
  trusts: Record<Name, Omit<ReplicatorOptions, 'collections' | 'target'>>,
): Promise<Record<Name, string | undefined>> {
  const [shore, ship] = [await openPeer(context, 'shore'), await openPeer(context, 'ship')];
  const listener = new URLEndpointListener({
    collections: [shore.metrics],
    networkInterface: '127.0.0.1',
    tlsIdentity,
    ...(authenticator === undefined ? {} : { authenticator }),
  });
  await listener.start();
  cleanup(context, () => listener.stop());
  const outcomes: [string, string | undefined][] = [];
  for (const [name, options] of Object.entries<Omit<ReplicatorOptions, 'collections' | 'target'>>(trusts)) {
    const target = new URLEndpoint(`wss://127.0.0.1:${listener.port}/shore`);
    const replicator = new Replicator({ ...options, collections: [ship.metrics], target });
    replicator.start();
    outcomes.push([name, (await replicator.stopped())?.code]);
  }
  return Object.fromEntries(outcomes) as Record<Name, string | undefined>;
}
