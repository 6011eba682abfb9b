/**
 * A private key with the certificates that prove it belongs to somebody: what a TLS server (or, later, a client)
 * shows. Where it comes from and where it is kept is not its business.
 *
 * Invariant: the key belongs to the first certificate, and each certificate is issued by the next.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { HawserError } from '../errors.js';

export interface TLSIdentityParts {
  readonly privateKey: KeyObject;
  /** The identity's own certificate first, then whoever issued it, up to but not necessarily with the root. */
  readonly certs: readonly X509Certificate[];
}

export class TLSIdentity {
  readonly certs: readonly X509Certificate[];
  readonly privateKey: KeyObject;
  /** When the own certificate ends to be valid. */
  readonly expiration: Date;
  readonly #leaf: X509Certificate;

  /** @throws `IDENTITY_INVALID` if key and certificates do not belong together. */
  constructor({ privateKey, certs }: TLSIdentityParts) {
    const [leaf, ...issuers] = certs;
    if (leaf === undefined) throw new HawserError('IDENTITY_INVALID', 'the identity has no certificate');
    if (privateKey.type !== 'private' || !leaf.checkPrivateKey(privateKey)) {
      throw new HawserError('IDENTITY_INVALID', 'the private key does not belong to the certificate');
    }
    let below = leaf;
    for (const issuer of issuers) {
      if (!below.checkIssued(issuer) || !below.verify(issuer.publicKey)) {
        throw new HawserError('IDENTITY_INVALID', 'each certificate must be followed by the one that issued it');
      }
      below = issuer;
    }
    this.certs = Object.freeze([...certs]);
    this.privateKey = privateKey;
    this.expiration = new Date(leaf.validTo);
    this.#leaf = leaf;
  }

  /**
   * Reads PEM text that holds one private key and one or more certificates, in any order of the two.
   * @param passphrase for an encrypted key
   * @throws `IDENTITY_INVALID` if it does not hold them, or they do not belong together
   */
  static fromPem(pem: string, passphrase?: string): TLSIdentity {
    const key = PEM_KEY.exec(pem)?.[0];
    const certs = pem.match(PEM_CERTIFICATE);
    if (key === undefined) throw new HawserError('IDENTITY_INVALID', 'there is no private key in the PEM text');
    if (certs === null) throw new HawserError('IDENTITY_INVALID', 'there is no certificate in the PEM text');
    let parts: TLSIdentityParts;
    try {
      parts = {
        privateKey: createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) }),
        certs: certs.map((cert) => new X509Certificate(cert)),
      };
    } catch (cause) {
      throw new HawserError('IDENTITY_INVALID', 'the key or a certificate in the PEM text cannot be read', { cause });
    }
    return new TLSIdentity(parts);
  }

  /** The own certificate: the one to pin on the other side. */
  get certificate(): X509Certificate {
    return this.#leaf;
  }

  /** All certificates, the own one first. */
  certificatePem(): string {
    return this.certs.map((cert) => cert.toString()).join('');
  }

  /** A secret. */
  privateKeyPem(): string {
    return this.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  }

  toJSON(): object {
    return {
      subject: this.#leaf.subject,
      fingerprint256: this.#leaf.fingerprint256,
      expiration: this.expiration.toISOString(),
    };
  }

  [inspect.custom](): string {
    return `TLSIdentity ${inspect(this.toJSON())}`;
  }
}

const PEM_KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^]+?-----END \1-----/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
