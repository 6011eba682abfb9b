/** What a certificate may be used for (extended key usage, RFC 5280 4.2.1.12). */
import type { X509Certificate } from 'node:crypto';
import { HawserError } from '../errors.js';
import type { TLSIdentity } from './tls-identity.js';

/** To be a listener, or to be a client that shows a certificate. */
export type KeyUse = 'serverAuth' | 'clientAuth';

export const EXTENDED_KEY_USAGES: Readonly<Record<KeyUse, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

/** @throws `IDENTITY_UNSUITABLE` if the certificate of the identity was issued for something else */
export function checkKeyUsage(identity: TLSIdentity, use: KeyUse): void {
  if (identity.keyUsages.includes(use)) return;
  const { subject } = identity.certificate;
  throw new HawserError(
    'IDENTITY_UNSUITABLE',
    `the certificate of ${subject.replaceAll('\n', ', ')} is not for ${WORDS[use]} (${use})`,
  );
}

/** A certificate that says nothing about it may be used for everything. */
export function keyUsagesOf(certificate: X509Certificate): readonly KeyUse[] {
  const said: readonly string[] | undefined = certificate.keyUsage; // what Node calls keyUsage is the extended one
  const uses = Object.keys(EXTENDED_KEY_USAGES) as KeyUse[];
  if (said === undefined || said.includes(ANY_EXTENDED_KEY_USAGE)) return uses;
  return uses.filter((use) => said.includes(EXTENDED_KEY_USAGES[use]));
}

const ANY_EXTENDED_KEY_USAGE = '2.5.29.37.0';
const WORDS: Readonly<Record<KeyUse, string>> = { serverAuth: 'a listener', clientAuth: 'a client' };
