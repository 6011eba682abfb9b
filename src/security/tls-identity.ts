/**
 * A private key with the certificates that prove it belongs to somebody: what a listener shows, and a client that is asked
 * who it is. Where it is kept is not its business: see `KeyStore`.
 *
 * Invariant: the key belongs to the first certificate, and each certificate is issued by the next.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { HawserError } from '../errors.js';
import { belongs, isIssuedBy } from './certificate-chain.js';
import { createIdentityParts, type CreateIdentityOptions } from './create-identity.js';
import { readIdentity, readPemIdentity, type EncodedIdentity, type TLSIdentityParts } from './identity-encoding.js';
import { keyUsagesOf, type KeyUse } from './key-usage.js';
import { readPkcs12 } from './pkcs12.js';

export class TLSIdentity {
  readonly certs: readonly X509Certificate[];
  readonly privateKey: KeyObject;
  /** When the own certificate ends to be valid. */
  readonly expiration: Date;
  /** What the own certificate may be used for; both if it does not say. */
  readonly keyUsages: readonly KeyUse[];
  readonly #leaf: X509Certificate;

  /** @throws `IDENTITY_INVALID` if key and certificates do not belong together. */
  constructor({ privateKey, certs }: TLSIdentityParts) {
    const [leaf, ...issuers] = certs;
    if (leaf === undefined) throw new HawserError('IDENTITY_INVALID', 'the identity has no certificate');
    if (certs.length > MAX_CHAIN) {
      throw new HawserError('IDENTITY_INVALID', `the identity has more than ${MAX_CHAIN} certificates`);
    }
    if (!belongs(privateKey, leaf)) {
      throw new HawserError('IDENTITY_INVALID', 'the private key does not belong to the certificate');
    }
    let below = leaf;
    for (const issuer of issuers) {
      if (!isIssuedBy(below, issuer)) {
        throw new HawserError('IDENTITY_INVALID', 'each certificate must be followed by the one that issued it');
      }
      below = issuer;
    }
    this.certs = Object.freeze([...certs]);
    this.privateKey = privateKey;
    this.expiration = new Date(leaf.validTo);
    if (Number.isNaN(this.expiration.getTime())) {
      throw new HawserError('IDENTITY_INVALID', 'nobody can tell when the certificate ends to be valid');
    }
    this.keyUsages = Object.freeze(keyUsagesOf(leaf));
    this.#leaf = leaf;
  }

  /**
   * Makes a key and a certificate for it, self-signed or signed by `issuer`, valid from a day before now. Kept nowhere: see
   * `KeyStore.createIdentity`.
   *
   * @throws `IDENTITY_ATTRIBUTE_INVALID` naming the attribute that is missing or cannot be written, `ARGUMENT_INVALID` and
   *   `OPTION_UNKNOWN` for the other options, `IDENTITY_UNSUITABLE` if the issuer may not issue
   */
  static async create(options: CreateIdentityOptions): Promise<TLSIdentity> {
    return new TLSIdentity(await createIdentityParts(options));
  }

  /**
   * Reads PEM text that holds one private key and one or more certificates, in any order of the two.
   * @param passphrase for an encrypted key
   * @throws `IDENTITY_INVALID` if it does not hold them, or they do not belong together; `IDENTITY_PASSWORD_WRONG` if the key
   *   is encrypted and the passphrase missing or wrong
   */
  static fromPem(pem: string, passphrase?: string): TLSIdentity {
    return new TLSIdentity(readPemIdentity(pem, passphrase));
  }

  /** As `fromPem`, for a key and certificates that come one by one, in PEM or DER. */
  static fromParts(parts: EncodedIdentity): TLSIdentity {
    return new TLSIdentity(readIdentity(parts));
  }

  /**
   * Reads a PKCS #12 file (`.p12`, `.pfx`) of up to 256 KiB: the private key, its certificate, and of the other
   * certificates those that lead on from there.
   * @throws `IDENTITY_PASSWORD_WRONG`; `IDENTITY_INVALID` if the file is damaged, holds no key or several, or would take
   *   unreasonably long to decrypt
   */
  static async fromPkcs12(bytes: Uint8Array, password: string): Promise<TLSIdentity> {
    return new TLSIdentity(await readPkcs12(bytes, password));
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

const MAX_CHAIN = 32;
