/** What each user may do, as the users and the listener's owner see it: real listeners, real replicators, real sockets. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  Blob,
  ListenerPasswordAuthenticator,
  type AuthorizePeer,
  type HawserError,
  type PeerAccess,
  type ReplicatorOptions,
} from '../../src/index.js';
import { contents, openPeer, type AnyCollection, type Peer } from '../support/peers.js';
import { ALL_MEDIA, replicatorTo } from '../support/secure-peers.js';
import { clientOf, listen, syncOver, urlOf, whenActivity } from '../support/web-socket-peers.js';

const LIMIT = { timeout: 120_000 };

/** `metrics` and two more, each with a document of its owner's. */
interface Ship extends Peer {
  readonly plans: AnyCollection;
  readonly wages: AnyCollection;
}

async function openShip(context: TestContext, name: string): Promise<Ship> {
  const peer = await openPeer(context, name);
  const [plans, wages] = [await peer.database.createCollection('plans'), await peer.database.createCollection('wages')];
  for (const collection of [peer.metrics, plans, wages]) await collection.save(`of ${name}`, { by: name });
  return { ...peer, plans, wages };
}

/** Everybody's password is the name, and everybody may what is said here. */
async function serve(context: TestContext, ship: Ship, authorize: AuthorizePeer): Promise<string> {
  const listener = await listen(context, ship, {
    collections: [ship.metrics, ship.plans, ship.wages],
    authenticator: new ListenerPasswordAuthenticator((name, password) => name === password),
    authorize,
  });
  return urlOf(ship, listener);
}

function as(name: string, more: Partial<ReplicatorOptions> = {}): Partial<Omit<ReplicatorOptions, 'continuous'>> {
  return { authenticator: new BasicAuthenticator(name, name), ...more };
}

async function ids(collection: AnyCollection): Promise<string[]> {
  return (await contents(collection)).map((line) => line.replace(/ \d+-[0-9a-f]+ .*/, ''));
}

/** The captain may do everything; the mate reads plans, writes metrics, and does not know of wages; others see nothing. */
function rightsOn(ship: Ship): Readonly<Record<string, PeerAccess>> {
  return {
    captain: [ship.metrics, ship.plans, ship.wages].map((collection) => ({ collection, push: true, pull: true })),
    mate: [
      { collection: ship.metrics, push: true, pull: true },
      { collection: ship.plans, pull: true },
    ],
    sensor: [{ collection: ship.metrics, push: true }],
  };
}

const DENIED = { code: 'ACCESS_DENIED', domain: 'WebSocket', number: 10_403 };
const NOT_FOUND = { code: 'REMOTE_COLLECTION_NOT_FOUND', domain: 'WebSocket', number: 10_404 };

describe('a user', LIMIT, () => {
  it('replicates what it may, each collection in its directions, in one connection', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    await syncOver(context, mate, url, as('mate', { collections: [mate.plans], type: 'pull' }));
    await syncOver(context, mate, url, as('mate', { collections: [mate.metrics] }));
    assert.deepEqual(await ids(mate.plans), ['of mate', 'of ship']);
    assert.deepEqual(await ids(ship.metrics), ['of mate', 'of ship']);
    assert.deepEqual(await ids(ship.plans), ['of ship']);
    // Nothing left of it needs the right to push, because nothing is pushed.
    const collections = [mate.metrics, { collection: mate.plans, pushFilter: () => false }];
    await syncOver(context, mate, url, as('mate', { collections }));
    assert.deepEqual(await ids(ship.plans), ['of ship']);
  });

  it('who may only pull a collection and pushes to it is denied, and nothing has changed', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    for (const type of ['push', 'pushAndPull'] as const) {
      await assert.rejects(syncOver(context, mate, url, as('mate', { collections: [mate.plans], type })), DENIED);
    }
    await assert.rejects(syncOver(context, mate, url, as('mate', { collections: [mate.metrics, mate.plans] })), DENIED);
    assert.deepEqual(await ids(ship.plans), ['of ship']);
  });

  it('who may only push a collection and pulls it is denied, and gets nothing', async (context) => {
    const [ship, sensor] = [await openShip(context, 'ship'), await openShip(context, 'sensor')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    for (const type of ['pull', 'pushAndPull'] as const) {
      await assert.rejects(syncOver(context, sensor, url, as('sensor', { type })), DENIED);
    }
    assert.deepEqual(await ids(sensor.metrics), ['of sensor']);
    await syncOver(context, sensor, url, as('sensor', { type: 'push' }));
    assert.deepEqual(await ids(ship.metrics), ['of sensor', 'of ship']);
  });

  it('finds a collection that it may not see as little as one that is not there', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    const absent = await mate.database.createCollection('wares');
    const messages: string[] = [];
    for (const collection of [mate.wages, absent]) {
      for (const type of ['push', 'pull', 'pushAndPull'] as const) {
        const options = as('mate', { collections: [collection], type });
        await assert.rejects(syncOver(context, mate, url, options), (error: HawserError) => {
          assert.deepEqual({ code: error.code, domain: error.domain, number: error.number }, NOT_FOUND);
          messages.push(`${error.code} ${error.message.replaceAll(collection.name, 'NAME')}`);
          return true;
        });
      }
    }
    assert.equal(new Set(messages).size, 1, messages.join('\n'));
    await assert.rejects(syncOver(context, mate, url, as('stowaway')), NOT_FOUND);
    assert.deepEqual([await ids(ship.wages), await ids(mate.wages)], [['of ship'], ['of mate']]);
  });

  it('may pull what another pushes, blobs included', async (context) => {
    const ship = await openShip(context, 'ship');
    const [captain, mate] = [await openShip(context, 'captain'), await openShip(context, 'mate')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    const content = Buffer.from('chart '.repeat(5_000));
    await captain.plans.save('chart', { picture: new Blob('image/png', content) });
    await syncOver(context, captain, url, as('captain', { collections: [captain.plans, captain.wages] }));
    await syncOver(context, mate, url, as('mate', { collections: [mate.plans], type: 'pull' }));
    assert.equal((await mate.plans.get('chart'))?.toJSONText(), (await captain.plans.get('chart'))?.toJSONText());
    assert.deepEqual(await mate.database.integrityCheck(), []);
  });

  it('that is denied stays denied in a continuous replication, which stops', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    const url = await serve(context, ship, ({ username }) => rightsOn(ship)[username ?? ''] ?? []);
    const replicator = clientOf(context, mate, url, as('mate', { collections: [mate.plans], continuous: true }));
    replicator.start();
    assert.equal((await replicator.stopped())?.code, DENIED.code);
    const pulling = { collections: [mate.plans], continuous: true, type: 'pull' } as const;
    const other = clientOf(context, mate, url, as('mate', pulling));
    other.start();
    await whenActivity(other, 'idle');
    await other.stop();
    assert.deepEqual(await ids(mate.plans), ['of mate', 'of ship']);
  });
});

describe('on every medium that asks who is there, a user', LIMIT, () => {
  for (const medium of ALL_MEDIA) {
    it(`may do the same: ${medium.name}`, { skip: medium.skip }, async (context) => {
      const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
      const server = await medium.listen(context, ship, {
        collections: [ship.metrics, ship.plans, ship.wages],
        authenticator: new ListenerPasswordAuthenticator((name, password) => name === password),
        authorize: ({ username }) => rightsOn(ship)[username ?? ''] ?? [],
      });
      const trust = server.hasCertificate;
      const outcome = async (...given: [AnyCollection, ReplicatorOptions['type']]): Promise<number | undefined> => {
        const [collection, type = 'pull'] = given;
        const options = as('mate', { collections: [collection], type, acceptOnlySelfSignedServerCertificate: trust });
        const replicator = replicatorTo(context, server, mate, options);
        replicator.start();
        return (await replicator.stopped())?.number;
      };
      assert.equal(await outcome(mate.metrics, 'pushAndPull'), undefined);
      assert.equal(await outcome(mate.plans, 'pull'), undefined);
      assert.equal(await outcome(mate.plans, 'push'), DENIED.number);
      assert.equal(await outcome(mate.wages, 'pull'), NOT_FOUND.number);
      assert.deepEqual(await ids(mate.plans), ['of mate', 'of ship']);
      assert.deepEqual([await ids(ship.metrics), await ids(ship.plans)], [['of mate', 'of ship'], ['of ship']]);
    });
  }
});

describe('an application that says who may do what', LIMIT, () => {
  it('may take its time, is asked once for each connection, and by the name that was proved', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    const asked: (string | undefined)[] = [];
    const url = await serve(context, ship, async ({ username }) => {
      asked.push(username);
      await new Promise((resolve) => setImmediate(resolve));
      return rightsOn(ship)[username ?? ''] ?? [];
    });
    await syncOver(context, mate, url, as('mate'));
    const wrong = { authenticator: new BasicAuthenticator('captain', 'mate') };
    await assert.rejects(syncOver(context, mate, url, wrong), { code: 'AUTHENTICATION_FAILED', number: 10_401 });
    assert.deepEqual(asked, ['mate']);
  });

  it('decides for the next connection what it decides then', async (context) => {
    const [ship, mate] = [await openShip(context, 'ship'), await openShip(context, 'mate')];
    let rights: PeerAccess = [{ collection: ship.metrics, pull: true }];
    const url = await serve(context, ship, () => rights);
    await assert.rejects(syncOver(context, mate, url, as('mate')), DENIED);
    rights = [{ collection: ship.metrics, pull: true, push: true }];
    await syncOver(context, mate, url, as('mate'));
    rights = [];
    await assert.rejects(syncOver(context, mate, url, as('mate')), NOT_FOUND);
  });

  it('gives nobody the right to push to a read-only listener', async (context) => {
    const [ship, captain] = [await openShip(context, 'ship'), await openShip(context, 'captain')];
    const listener = await listen(context, ship, {
      readOnly: true,
      authorize: () => [{ collection: ship.metrics, push: true, pull: true }],
    });
    const url = urlOf(ship, listener);
    await assert.rejects(syncOver(context, captain, url, { type: 'push' }), DENIED);
    await syncOver(context, captain, url, { type: 'pull' });
    assert.deepEqual(await ids(captain.metrics), ['of captain', 'of ship']);
  });
});
