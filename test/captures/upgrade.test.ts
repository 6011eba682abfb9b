/** The HTTP requests that recorded clients opened their connections with, and what ours offers in their place. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import {
  BasicAuthenticator,
  deferred,
  ListenerPasswordAuthenticator,
  LoopbackEndpoint,
  PeerListener,
  type ConnectOptions,
  type Endpoint,
  type PeerRequest,
} from '../../src/index.js';
import { loadCapture, type Upgrade } from '../support/replay/capture.js';
import { collectionNamed, emptyDatabase } from '../support/replay/databases.js';
import { Deadline } from '../support/replay/deadline.js';
import { meaningOf } from '../support/replay/meaning.js';
import { PassiveCore } from '../support/replay/passive-core.js';
import { replicatorOf } from '../support/replay/replicate.js';
import { skipWithout } from '../support/shared-data.js';

describe('recorded upgrade requests', skipWithout('captures'), () => {
  for (const name of ['03-push-real', '04-pull-real', '09-collections-pushpull', '40-v333-push', '41-v333-pull']) {
    test(`${name}: our listener chooses the protocol that the recorded one chose`, async (context) => {
      const { upgrade } = loadCapture(name);
      const listener = await listenerFor(context);
      const admission = await listener.admit(requestOf(upgrade));
      assert.deepEqual(admission, { status: 101, protocol: upgrade.acceptedProtocol, peer: {} });
    });
  }

  test('12-auth-ok-stub: our listener reads the credentials', async (context) => {
    const request = requestOf(loadCapture('12-auth-ok-stub').upgrade);
    const asked: string[] = [];
    const authenticator = new ListenerPasswordAuthenticator((username, password) => {
      asked.push(`${username} ${password}`);
      return true;
    });
    const listener = await listenerFor(context, authenticator);
    const admission = await listener.admit(request);
    assert.ok(admission.status === 101);
    assert.deepEqual([admission.protocol, admission.peer.username], ['BLIP_3+CBMobile_3', 'bob']);
    assert.deepEqual(asked, ['bob pw']);
  });

  test('12-auth-ok-stub: our listener refuses the same request where the password is another', async (context) => {
    const request = requestOf(loadCapture('12-auth-ok-stub').upgrade);
    const listener = await listenerFor(
      context,
      new ListenerPasswordAuthenticator((_, password) => password === 'other'),
    );
    assert.equal((await listener.admit(request)).status, 401);
  });

  test('12-auth-ok-stub: our replicator shows the same credentials, asks the same, and leaves when it is stopped', async (context) => {
    const deadline = new Deadline(context);
    const database = await emptyDatabase(context);
    const capture = loadCapture('12-auth-ok-stub');
    const connected = deferred<{ core: PassiveCore; options: ConnectOptions }>();
    const target: Endpoint = {
      remoteID: 'recorded-core',
      createConnection(options) {
        const endpoint = new LoopbackEndpoint((end) => {
          connected.resolve({ core: new PassiveCore(end, capture, deadline), options });
        }, 'recorded-core');
        return endpoint.createConnection(options);
      },
    };
    const authenticator = new BasicAuthenticator('bob', 'pw');
    const replicator = replicatorOf(database, capture, () => undefined, { target, authenticator });
    replicator.start();
    const { core, options } = await deadline.wait('the replicator to connect', connected.promise);
    assert.equal(options.authorization, capture.upgrade.headers['authorization']);
    // The stub never answers.
    const label = 'active: getCollections #1';
    await deadline.wait(label, core.transcript.until(label));
    await deadline.wait('the replicator to stop', replicator.stop());
    assert.equal(await core.closeCode(), capture.closeCode);
    assert.deepEqual(meaningOf(core.transcript, 'active'), meaningOf(capture.transcript, 'active'));
  });
});

/** A listener for the database `db`, which the recorded clients ask for. */
async function listenerFor(context: TestContext, authenticator?: ListenerPasswordAuthenticator): Promise<PeerListener> {
  const collections = [collectionNamed(await emptyDatabase(context), '_default')];
  return new PeerListener({ collections, ...(authenticator === undefined ? {} : { authenticator }) });
}

function requestOf({ path, headers }: Upgrade): PeerRequest {
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',');
  return { path, protocols, authorization: headers['authorization'] };
}
