/**
 * Is this the server we meant? A pure decision over certificates that have already arrived: no socket, no clock.
 *
 * What the caller has established: the peer holds the key of the first certificate (TLS proved that). Nothing else about
 * the chain is taken on trust: a peer may send any certificate along with its own.
 */
import type { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import { HawserError } from '../errors.js';

/** How the certificate of a server is judged. A pin decides alone; then self-signed-only; then the roots of Node. */
export interface ServerTrust {
  /** One of the chain must be exactly this certificate (the leaf, an intermediate or the root). */
  readonly pinnedServerCertificate?: X509Certificate;
  /** Accept every self-signed leaf and nothing else. */
  readonly acceptOnlySelfSignedServerCertificate?: boolean;
}

/**
 * Why the server is not trusted, or `undefined` if it is.
 *
 * @param chain as the server sent it, its own certificate first
 * @param chainError OpenSSL's name for what is wrong with the chain (`DEPTH_ZERO_SELF_SIGNED_CERT`), if anything is
 * @param hostname of the URL, without brackets around an IPv6 address
 * @param now milliseconds since the epoch
 */
export function checkServerCertificate(
  chain: readonly X509Certificate[],
  chainError: string | undefined,
  hostname: string,
  trust: ServerTrust,
  now: number,
): HawserError | undefined {
  const leaf = chain[0];
  if (leaf === undefined) return new HawserError('TLS_CERTIFICATE_UNTRUSTED', 'the server has shown no certificate');
  const { pinnedServerCertificate: pin, acceptOnlySelfSignedServerCertificate = false } = trust;
  if (pin !== undefined) return checkPin(chain, pin);
  if (acceptOnlySelfSignedServerCertificate) return checkSelfSigned(leaf, now);
  return checkRoots(leaf, chainError, hostname);
}

/**
 * The pin must be the leaf, or have issued it through the certificates that came along: it is public, so anybody can send
 * it at the end of a chain of his own. Expiry and host name do not matter, the pin says more than both.
 */
function checkPin(chain: readonly X509Certificate[], pin: X509Certificate): HawserError | undefined {
  let [current, ...rest] = chain;
  while (current !== undefined) {
    if (sameCertificate(current, pin) || isIssuedBy(current, pin)) return undefined;
    const below: X509Certificate = current;
    current = rest.find((candidate) => candidate.ca && isIssuedBy(below, candidate));
    rest = rest.filter((candidate) => candidate !== current); // each is used once: chains may be circular
  }
  return new HawserError(
    'TLS_CERTIFICATE_UNTRUSTED',
    `the certificate of the server (${described(chain[0])}) is not the pinned one (${described(pin)})`,
    { hint: 'Pin the certificate that the server has now, if you know that it was changed on purpose.' },
  );
}

function checkSelfSigned(leaf: X509Certificate, now: number): HawserError | undefined {
  // Not `checkIssued`: it wants the key usage of an authority, which the certificate of a mere server need not have.
  if (leaf.issuer !== leaf.subject || !isSignedBy(leaf, leaf)) {
    return new HawserError(
      'TLS_CERTIFICATE_NOT_SELF_SIGNED',
      `only self-signed certificates are accepted, and that of the server (${described(leaf)}) was issued by ${oneLine(leaf.issuer)}`,
    );
  }
  // Only the end: a certificate from the future means that this device's clock is behind, as it is after a cold start.
  if (Date.parse(leaf.validTo) <= now) return expired(leaf);
  return undefined;
}

function checkRoots(leaf: X509Certificate, chainError: string | undefined, hostname: string): HawserError | undefined {
  if (chainError === 'CERT_HAS_EXPIRED') return expired(leaf);
  if (chainError === 'CERT_NOT_YET_VALID') {
    return new HawserError(
      'TLS_CERTIFICATE_EXPIRED',
      `the certificate of the server is valid from ${leaf.validFrom} on`,
    );
  }
  if (chainError !== undefined) {
    return new HawserError(
      'TLS_CERTIFICATE_UNTRUSTED',
      `the certificate of the server (${described(leaf)}) does not lead to a trusted root: ${chainError}`,
    );
  }
  const mismatch = checkServerIdentity(hostname, leaf.toLegacyObject());
  if (mismatch === undefined) return undefined;
  return new HawserError('TLS_CERTIFICATE_NAME_MISMATCH', `the certificate of the server is not for ${hostname}`, {
    cause: mismatch,
  });
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && isSignedBy(certificate, issuer);
}

function isSignedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  try {
    return certificate.verify(signer.publicKey);
  } catch {
    return false; // a key of a kind that this OpenSSL does not know
  }
}

function sameCertificate(one: X509Certificate, other: X509Certificate): boolean {
  return one.raw.equals(other.raw);
}

function expired(leaf: X509Certificate): HawserError {
  return new HawserError('TLS_CERTIFICATE_EXPIRED', `the certificate of the server expired on ${leaf.validTo}`);
}

function described(certificate: X509Certificate | undefined): string {
  return certificate === undefined ? 'none' : `${oneLine(certificate.subject)}, SHA-256 ${certificate.fingerprint256}`;
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
