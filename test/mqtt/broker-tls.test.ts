/** Whom a client of a broker believes over TLS, and whom a broker believes. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { TLSIdentity } from '../../src/security/index.js';
import type { BrokerOptions } from '../../transports/mqtt/broker-options.js';
import { BrokerRecorder, failureOf } from '../support/broker-recorder.js';
import { issue, selfSignedIdentity } from '../support/certificates.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';

const withoutMosquitto = { skip: mosquittoProblem() ?? false };

/** Connects in vain; resolves to the error. */
function refusal(context: TestContext, broker: BrokerOptions) {
  return failureOf(new BrokerRecorder(context, broker).client.connect());
}

describe('over TLS', withoutMosquitto, () => {
  test('a broker is trusted by its own certificate, or by who issued it', async (context) => {
    const root = await TLSIdentity.create({ ca: true, attributes: { commonName: 'fleet root' } });
    const attributes = { commonName: 'broker', ipAddresses: ['127.0.0.1'] };
    const identity = await TLSIdentity.create({ keyUsages: ['serverAuth'], attributes, issuer: root });
    for (const [shown, trusted] of [
      [undefined, undefined],
      [identity, root.certificate],
      [identity, `${(await issue('other root', { ca: true })).certificate.toString()}\n${root.certificatePem()}`],
    ] as const) {
      const listeners = ['mqtts', 'wss'] as const;
      const mosquitto = await startMosquitto(context, {
        listeners,
        ...(shown === undefined ? {} : { identity: shown }),
      });
      const trustedCertificates = trusted ?? mosquitto.identity.certificate;
      for (const listener of listeners) {
        await BrokerRecorder.connect(context, { url: mosquitto.url(listener), trustedCertificates });
      }
    }
  });

  test('a broker that is not trusted gets no password', async (context) => {
    const mosquitto = await startMosquitto(context, { listeners: ['mqtts', 'wss'] });
    const { certificate } = await issue('other root', { ca: true });
    for (const listener of ['mqtts', 'wss'] as const) {
      for (const trust of [{}, { trustedCertificates: certificate }]) {
        const secret = { username: 'mate', password: 'correct-horse-47' };
        const error = await refusal(context, { url: mosquitto.url(listener), ...trust, ...secret });
        assert.deepEqual([error.code, error.recoverable], ['TLS_CERTIFICATE_UNTRUSTED', false]);
        assert.match(error.hint, /trustedCertificates/);
      }
    }
    assert.ok(!mosquitto.log.includes('New client connected'));
  });

  test('a broker is known by the name in the URL, and by a certificate that is valid', async (context) => {
    const elsewhere = await selfSignedIdentity('broker', { altNames: ['broker.example'] });
    const old = await selfSignedIdentity('broker', { altNames: ['127.0.0.1'], validTo: new Date(Date.now() - 60_000) });
    for (const [identity, code] of [
      [elsewhere, 'TLS_CERTIFICATE_NAME_MISMATCH'],
      [old, 'TLS_CERTIFICATE_EXPIRED'],
    ] as const) {
      const mosquitto = await startMosquitto(context, { listeners: ['mqtts'], identity });
      const broker = { url: mosquitto.url('mqtts'), trustedCertificates: identity.certificate };
      assert.equal((await refusal(context, broker)).code, code);
    }
  });

  test('a client certificate lets in, and its common name is the user for the access rules', async (context) => {
    const root = await TLSIdentity.create({ ca: true, attributes: { commonName: 'fleet root' } });
    const device = (commonName: string, issuer?: TLSIdentity) =>
      TLSIdentity.create({
        keyUsages: ['clientAuth'],
        attributes: { commonName },
        ...(issuer === undefined ? {} : { issuer }),
      });
    const mosquitto = await startMosquitto(context, {
      listeners: ['mqtts', 'wss'],
      clientAuthority: root.certificate,
      acl: 'pattern readwrite to/%u\n',
    });
    for (const listener of ['mqtts', 'wss'] as const) {
      const broker = { url: mosquitto.url(listener), trustedCertificates: mosquitto.identity.certificate };
      const pump = await BrokerRecorder.connect(context, { ...broker, identity: await device('pump', root) });
      await pump.client.subscribe(['to/pump', 'to/winch']);
      pump.publish('to/winch', 'not allowed');
      pump.publish('to/pump', 'allowed');
      assert.equal((await pump.next()).text, 'allowed');

      const without = await refusal(context, broker);
      assert.deepEqual([without.code, without.recoverable], ['TLS_CLIENT_CERTIFICATE_REQUIRED', false]);
      assert.match(without.hint, /identity/);
      const stranger = await refusal(context, { ...broker, identity: await device('pump') });
      assert.deepEqual([stranger.code, stranger.recoverable], ['TLS_CLIENT_CERTIFICATE_REJECTED', false]);
    }
  });
});
