/** Whose word counts when several are given, and what becomes of a policy that misbehaves. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { HawserError } from '../../src/errors.js';
import { judgeServer, type ServerTrust, type ServerTrustPolicy, type ShownServer } from '../../src/security/index.js';
import { issue, type Issuer } from '../support/certificates.js';

let boat: Issuer;
let stranger: Issuer;

before(async () => {
  boat = await issue('boat', { altNames: ['boat.local'] });
  stranger = await issue('boat', { altNames: ['boat.local'] });
});

const shown = (server: Partial<ShownServer> = {}): ShownServer => ({
  name: 'boat.local:4984',
  hostname: 'boat.local',
  chain: [boat.certificate],
  chainError: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  ...server,
});
const judge = (trust: ServerTrust, server = shown()) => judgeServer(server, trust, Date.now());
const policy = (answer: () => unknown): ServerTrust => ({
  serverTrustPolicy: { judge: async () => answer() } as ServerTrustPolicy,
});
const YES = policy(() => undefined);
const NO = policy(() => new HawserError('TLS_CERTIFICATE_CHANGED', 'no'));

describe('the first that is given decides alone', () => {
  for (const [what, trust, outcome] of [
    ['a right pin', () => ({ pinnedServerCertificate: boat.certificate, ...NO }), undefined],
    ['a wrong pin', () => ({ pinnedServerCertificate: stranger.certificate, ...YES }), 'TLS_CERTIFICATE_UNTRUSTED'],
    [
      'a wrong pin beside a right fingerprint',
      () => ({
        pinnedServerCertificate: stranger.certificate,
        pinnedServerFingerprint: boat.certificate.fingerprint256,
      }),
      'TLS_CERTIFICATE_UNTRUSTED',
    ],
    ['a right fingerprint', () => ({ pinnedServerFingerprint: boat.certificate.fingerprint256, ...NO }), undefined],
    [
      'a wrong fingerprint',
      () => ({ pinnedServerFingerprint: stranger.certificate.fingerprint256, ...YES }),
      'TLS_CERTIFICATE_UNTRUSTED',
    ],
    [
      'a policy that refuses what is self-signed',
      () => ({ ...NO, acceptOnlySelfSignedServerCertificate: true }),
      'TLS_CERTIFICATE_CHANGED',
    ],
    ['a policy that trusts what no root does', () => YES, undefined],
    ['self-signed-only', () => ({ acceptOnlySelfSignedServerCertificate: true }), undefined],
    ['nothing', () => ({ acceptOnlySelfSignedServerCertificate: false }), 'TLS_CERTIFICATE_UNTRUSTED'],
  ] as const) {
    test(`${what}: ${outcome ?? 'trusted'}`, async () => {
      assert.equal((await judge(trust()))?.code, outcome);
    });
  }
});

describe('a policy', () => {
  test('sees the server as it has shown itself', async () => {
    const seen: ShownServer[] = [];
    const server = shown();
    await judge({ serverTrustPolicy: { judge: async (given) => void seen.push(given) } }, server);
    assert.deepEqual(seen, [server]);
  });

  test('is not asked about a server without a certificate', async () => {
    const asked = policy(() => assert.fail('was asked'));
    assert.equal((await judge(asked, shown({ chain: [] })))?.code, 'TLS_CERTIFICATE_UNTRUSTED');
  });

  test('that throws or rejects refuses, with its code if it has one', async () => {
    const broken = new Error('the disk is gone');
    const thrown = { serverTrustPolicy: { judge: () => assert.fail(broken) } };
    const rejected = policy(() => Promise.reject(broken));
    for (const trust of [thrown, rejected]) {
      const error = await judge(trust);
      assert.equal(error?.code, 'TLS_CERTIFICATE_UNTRUSTED');
      assert.match(error.message, /the disk is gone/);
      assert.equal(error.cause, broken);
    }
    const full = new HawserError('STORAGE_FULL', 'full');
    assert.equal(await judge(policy(() => Promise.reject(full))), full);
  });

  for (const answer of [true, false, null, 'yes', {}, Error]) {
    test(`that gives ${inspect(answer)} refuses`, async () => {
      const error = await judge(policy(() => answer));
      assert.equal(error?.code, 'TLS_CERTIFICATE_UNTRUSTED');
      assert.match(error.message, /neither undefined nor a HawserError/);
    });
  }
});

test('a root vouches for a name: on a medium without host names it vouches for nothing', async () => {
  const error = await judge({}, shown({ hostname: undefined, chainError: undefined }));
  assert.equal(error?.code, 'TLS_CERTIFICATE_NAME_MISMATCH');
  assert.match(error.hint, /Pin/);
  const pinned = { pinnedServerCertificate: boat.certificate };
  assert.equal(await judge(pinned, shown({ hostname: undefined, chainError: undefined })), undefined);
});
