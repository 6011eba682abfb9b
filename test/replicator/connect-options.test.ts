/** What an endpoint is given for an attempt to connect, and that nothing secret of it is printed. */
import assert from 'node:assert/strict';
import { before, describe, it, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import {
  BasicAuthenticator,
  ClientCertificateAuthenticator,
  LoopbackEndpoint,
  Replicator,
  SessionAuthenticator,
  type ConnectOptions,
  type ReplicatorOptions,
  type TLSIdentity,
} from '../../src/index.js';
import { connectOptions } from '../../src/replicator/connect-options.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { openPeer } from '../support/peers.js';

const target = new LoopbackEndpoint(() => undefined, 'remote');

let boat: TLSIdentity;

before(async () => {
  boat = await selfSignedIdentity('boat');
});

async function replicatorWith(context: TestContext, options: Partial<ReplicatorOptions>): Promise<Replicator> {
  const { metrics } = await openPeer(context, 'a');
  return new Replicator({ target, collections: [metrics], ...options });
}

async function optionsOf(context: TestContext, options: Partial<ReplicatorOptions>): Promise<ConnectOptions> {
  return connectOptions((await replicatorWith(context, options)).config, () => undefined);
}

describe('the time to connect', () => {
  for (const [wanted, given] of [
    [undefined, 15_000],
    [60_000, 60_000],
    [1_000, 15_000], // a medium may need more than is usual, not less
  ] as const) {
    it(`is ${given} ms for an endpoint that asks for ${wanted ?? 'nothing'}`, async (context) => {
      const slow = {
        remoteID: target.remoteID,
        createConnection: (options: ConnectOptions) => target.createConnection(options),
        ...(wanted === undefined ? {} : { connectTimeoutMs: wanted }),
      };
      assert.equal((await optionsOf(context, { target: slow })).connectTimeoutMs, given);
    });
  }
});

describe('the credentials of an authenticator', () => {
  it('go to the endpoint', async (context) => {
    const basic = await optionsOf(context, { authenticator: new BasicAuthenticator('alice', 'pa$$w0rd') });
    assert.equal(basic.authorization, 'Basic YWxpY2U6cGEkJHcwcmQ=');
    assert.deepEqual([basic.headers, basic.identity], [undefined, undefined]);
    const certificate = await optionsOf(context, { authenticator: new ClientCertificateAuthenticator(boat) });
    assert.equal(certificate.identity, boat);
    assert.deepEqual([certificate.headers, certificate.authorization], [undefined, undefined]);
  });

  it('as a cookie are one header with those of the application, in whatever case they are written', async (context) => {
    const authenticator = new SessionAuthenticator('904ac');
    for (const [headers, expected] of [
      [undefined, { Cookie: 'SyncGatewaySession=904ac' }],
      [{ 'X-Boat': 'yes' }, { 'X-Boat': 'yes', Cookie: 'SyncGatewaySession=904ac' }],
      [{ Cookie: 'a=1; b=2' }, { Cookie: 'SyncGatewaySession=904ac; a=1; b=2' }],
      [
        { cookie: 'a=1', 'X-Boat': 'yes' },
        { 'X-Boat': 'yes', Cookie: 'SyncGatewaySession=904ac; a=1' },
      ],
      [{ COOKIE: 'a=1', cookie: 'b=2' }, { Cookie: 'SyncGatewaySession=904ac; a=1; b=2' }],
    ] as const) {
      const options = await optionsOf(context, { authenticator, ...(headers === undefined ? {} : { headers }) });
      assert.deepEqual({ ...options.headers }, expected);
    }
  });

  it('are asked for anew for every attempt', async (context) => {
    let asked = 0;
    const authenticator = { credentials: () => ({ authorization: `Bearer ${++asked}` }) };
    const { config } = await replicatorWith(context, { authenticator });
    const attempts = [1, 2].map(() => connectOptions(config, () => undefined).authorization);
    assert.deepEqual(attempts, ['Bearer 1', 'Bearer 2']);
  });
});

it('whom to trust goes to the endpoint, with nothing that was not given', async (context) => {
  assert.deepEqual((await optionsOf(context, {})).trust, { acceptOnlySelfSignedServerCertificate: false });
  const trust = {
    pinnedServerCertificate: boat.certificate,
    pinnedServerFingerprint: boat.certificate.fingerprint256,
    serverTrustPolicy: { judge: async () => undefined },
    acceptOnlySelfSignedServerCertificate: true,
  };
  const { config } = await replicatorWith(context, trust);
  assert.deepEqual(connectOptions(config, () => undefined).trust, trust);
  for (const [name, value] of Object.entries(trust)) assert.equal(config[name as keyof typeof trust], value);
});

it('a bad rule of trust is refused, and named', async (context) => {
  for (const [name, value] of [
    ['pinnedServerCertificate', boat.certificate.toString()],
    ['pinnedServerCertificate', null],
    ['pinnedServerFingerprint', boat.certificate.fingerprint],
    ['pinnedServerFingerprint', ''],
    ['pinnedServerFingerprint', null],
    ['serverTrustPolicy', null],
    ['serverTrustPolicy', { judge: true }],
    ['serverTrustPolicy', () => undefined],
    ['acceptOnlySelfSignedServerCertificate', 'yes'],
    ['authenticator', { identity: boat }],
  ] as const) {
    await assert.rejects(replicatorWith(context, { [name]: value }), {
      code: 'ARGUMENT_INVALID',
      message: new RegExp(`^Replicator: ${name} must be`),
    });
  }
});

it('nothing secret is printed, of the options, the replicator or its configuration', async (context) => {
  const key = boat.privateKeyPem().split('\n')[1] ?? '';
  for (const authenticator of [
    new BasicAuthenticator('alice', 'pa$$w0rd'),
    new SessionAuthenticator('904ac010862f'),
    new ClientCertificateAuthenticator(boat),
    { credentials: () => ({ authorization: 'Bearer 904ac010862f', cookie: 'a=904ac010862f', identity: boat }) },
  ]) {
    const headers = { 'X-Token': '904ac010862f', cookie: 'b=904ac010862f' };
    const replicator = await replicatorWith(context, { authenticator, headers });
    const options = connectOptions(replicator.config, () => undefined);
    const { authenticator: shown, headers: shownHeaders } = replicator.config;
    const texts = [
      ...[options, { options }, replicator, replicator.config].map((thing) =>
        inspect(thing, { showHidden: true, depth: 12 }),
      ),
      JSON.stringify({ ...options.trust, headers: options.headers, shown, shownHeaders }),
      JSON.stringify({ options: { options } }, (_name, value: unknown) =>
        typeof value === 'function' ? undefined : value,
      ),
    ];
    for (const text of texts) {
      assert.ok(text.includes('***') || text.includes('Replicator'), text.slice(0, 200));
      for (const secret of ['904ac010862f', 'pa$$w0rd', 'cGEkJHcwcmQ', key, 'PRIVATE']) {
        assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 2000)}`);
      }
    }
    assert.equal(options.headers?.['X-Token'], '904ac010862f', 'who asks for it gets it');
  }
});
