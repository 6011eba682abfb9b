/** Makes the key and the certificate of a new identity: what may be asked for, the defaults, and the validity. */
import { generateKeyPair, KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { checkOptions, systemClock, type Clock } from '../base/index.js';
import { HawserError } from '../errors.js';
import { buildCertificate } from './certificate.js';
import { checkName, NAME_ATTRIBUTES, type NameAttributes } from './distinguished-name.js';
import { EXTENDED_KEY_USAGES, type KeyUse } from './key-usage.js';
import { ALT_NAMES, checkAltNames, type AltNames } from './subject-alt-names.js';
import type { TLSIdentityParts } from './identity-encoding.js';
import type { TLSIdentity } from './tls-identity.js';

/** Who the identity is: attributes of its subject, and the other names it is good for. */
export type IdentityAttributes = NameAttributes & AltNames;

export type IdentityKeyType = 'ec-p256' | 'rsa-2048' | 'rsa-3072' | 'rsa-4096';

export interface CreateIdentityOptions {
  /**
   * What it may be used for: `serverAuth` for a listener, `clientAuth` for a client. An authority needs none; given, they
   * hold for whatever it issues, too.
   */
  readonly keyUsages?: readonly KeyUse[];
  readonly attributes: IdentityAttributes;
  /** When it ends to be valid. @default in 365 days */
  readonly expiration?: Date;
  /** An RSA key takes from a tenth of a second to many seconds to make; other work goes on meanwhile. @default 'ec-p256' */
  readonly keyType?: IdentityKeyType;
  /** Who signs it: an identity that was made with `ca: true`. @default the identity itself: self-signed */
  readonly issuer?: TLSIdentity;
  /** Whether it may issue others. @default false */
  readonly ca?: boolean;
  readonly clock?: Clock;
}

export async function createIdentityParts(options: CreateIdentityOptions): Promise<TLSIdentityParts> {
  checkCreateOptions(options);
  const { keyType = 'ec-p256', attributes, keyUsages = [], ca = false, issuer, clock = systemClock } = options;
  const validity = validityFrom(clock, options.expiration);
  if (issuer !== undefined) checkIssuer(issuer, believedTime(clock));
  const { publicKey, privateKey } = await newKeyPair(keyType);
  const certificate = await buildCertificate({
    subject: attributes,
    publicKey,
    ...validity,
    keyUsages: [...new Set(keyUsages)],
    ca,
    issuer: issuer ?? { privateKey },
  });
  return { privateKey, certs: [certificate, ...(issuer?.certs ?? [])] };
}

/** EC P-256, the default of everything here. */
export async function newKeyPair(
  keyType: IdentityKeyType = 'ec-p256',
): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  const generate = promisify(generateKeyPair);
  if (keyType === 'ec-p256') return generate('ec', { namedCurve: 'prime256v1' });
  return generate('rsa', { modulusLength: RSA_BITS[keyType] });
}

/**
 * The time to write into a certificate. The clock of a device without a battery starts in 1970 and a wrong one would be in
 * the certificate for good, so a time before this program was written is not believed.
 */
export function believedTime(clock: Clock): number {
  return Math.max(clock.now(), WRITTEN);
}

/** One day earlier than now, because the peer's clock may be behind. */
export function beginOfValidity(clock: Clock): Date {
  return new Date(believedTime(clock) - DAY_MS);
}

function validityFrom(
  clock: Clock,
  expiration: Date | undefined,
): { readonly validFrom: Date; readonly validTo: Date } {
  const now = believedTime(clock);
  const validTo = expiration ?? new Date(now + DEFAULT_DAYS * DAY_MS);
  if (!(validTo instanceof Date) || !(validTo.getTime() <= LATEST)) {
    throw new HawserError('ARGUMENT_INVALID', 'expiration must be a Date, up to the year 9999');
  }
  if (validTo.getTime() <= now) {
    const clockIs = new Date(clock.now()).toISOString();
    throw new HawserError(
      'ARGUMENT_INVALID',
      `expiration is ${validTo.toISOString()}, which is in the past (the clock of this device says ${clockIs})`,
    );
  }
  return { validFrom: beginOfValidity(clock), validTo };
}

function checkCreateOptions(options: CreateIdentityOptions): void {
  const given: Partial<CreateIdentityOptions> = options ?? {};
  checkOptions('TLSIdentity.create', given, OPTIONS);
  const { keyUsages = [], keyType = 'ec-p256', issuer, ca = false, attributes } = given;
  if (!Array.isArray(keyUsages) || !keyUsages.every((use: KeyUse) => Object.hasOwn(EXTENDED_KEY_USAGES, use))) {
    throw new HawserError('ARGUMENT_INVALID', 'keyUsages must be a list of serverAuth and clientAuth');
  }
  if (keyUsages.length === 0 && !ca) {
    throw new HawserError('ARGUMENT_INVALID', 'keyUsages is empty: name serverAuth, clientAuth or both');
  }
  if (keyType !== 'ec-p256' && !Object.hasOwn(RSA_BITS, keyType)) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `keyType must be ec-p256, rsa-2048, rsa-3072 or rsa-4096, not ${String(keyType)}`,
    );
  }
  // Not by its class: there may be two copies of the package.
  const isIdentity = issuer?.privateKey instanceof KeyObject && issuer.certificate instanceof X509Certificate;
  if (issuer !== undefined && !isIdentity) {
    throw new HawserError('ARGUMENT_INVALID', 'issuer must be a TLSIdentity');
  }
  checkOptions('attributes', attributes, [...NAME_ATTRIBUTES, ...ALT_NAMES]);
  checkName(attributes ?? {});
  checkAltNames(attributes ?? {});
}

function checkIssuer(issuer: TLSIdentity, now: number): void {
  const { certificate } = issuer;
  if (!certificate.ca) {
    throw new HawserError('IDENTITY_UNSUITABLE', 'the issuer is no authority', {
      hint: 'Issue with an identity that was made with ca: true.',
    });
  }
  if (issuer.expiration.getTime() <= now) {
    throw new HawserError('IDENTITY_UNSUITABLE', `the issuer expired on ${issuer.expiration.toISOString()}`, {
      hint: 'Renew the certificate of the issuer, or set the clock of this device.',
    });
  }
}

export const DAY_MS = 86_400_000;
const WRITTEN = Date.UTC(2026, 0, 1);
const DEFAULT_DAYS = 365;
/** X.509 has years of four digits. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);
const OPTIONS = ['keyUsages', 'attributes', 'expiration', 'keyType', 'issuer', 'ca', 'clock'];
const RSA_BITS: Readonly<Record<Exclude<IdentityKeyType, 'ec-p256'>, number>> = {
  'rsa-2048': 2048,
  'rsa-3072': 3072,
  'rsa-4096': 4096,
};
