/** Which key belongs to which certificate, and who issued whom. Certificates may come from anybody. */
import type { KeyObject, X509Certificate } from 'node:crypto';

export function belongs(privateKey: KeyObject, certificate: X509Certificate): boolean {
  return privateKey.type === 'private' && orFalse(() => certificate.checkPrivateKey(privateKey));
}

export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && orFalse(() => certificate.verify(issuer.publicKey));
}

/** The certificate and those of the others that lead on from it, each used once: chains may be circular. */
export function chainFrom(leaf: X509Certificate, others: readonly X509Certificate[]): readonly X509Certificate[] {
  const chain = [leaf];
  const rest = new Set(others);
  for (let last: X509Certificate | undefined = leaf; last !== undefined;) {
    rest.delete(last);
    const below: X509Certificate = last;
    last = [...rest].find((candidate) => isIssuedBy(below, candidate));
    if (last !== undefined) chain.push(last);
  }
  return chain;
}

/** A key may be of a kind that this OpenSSL does not know. */
function orFalse(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
