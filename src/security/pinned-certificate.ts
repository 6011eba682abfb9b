/**
 * Is the server the one whose certificate we know? A pure decision over certificates that have already arrived.
 *
 * What the caller has established: the peer holds the key of the first certificate (TLS proved that). Nothing else about
 * the chain is taken on trust: certificates are public, and a peer may send any of them along with its own.
 */
import type { X509Certificate } from 'node:crypto';
import { keyUsagesOf } from './key-usage.js';

/**
 * True if the pinned certificate is the server's own or has issued it, for a server, through the certificates that came
 * along, and for a certificate of the same key: whoever proves to hold that key is the one who was pinned, with a renewed
 * certificate. For the leaf TLS has proved it; for one above it does the signature below, which that key has made. Expiry
 * and host name do not matter, the pin says more than both.
 *
 * @param chain as the server sent it, its own certificate first
 */
export function matchesPin(chain: readonly X509Certificate[], pin: X509Certificate): boolean {
  let [current, ...rest] = chain;
  if (current === undefined) return false;
  if (isSame(current, pin)) return true;
  // From here on the pin is an authority, which issues for clients too: no client of the fleet may pose as its server.
  if (!keyUsagesOf(current).includes('serverAuth')) return false;
  while (current !== undefined) {
    if (isSame(current, pin) || isIssuedBy(current, pin)) return true;
    const below: X509Certificate = current;
    current = rest.find((candidate) => issuesServers(candidate) && isIssuedBy(below, candidate));
    rest = rest.filter((candidate) => candidate !== current); // each is used once: chains may be circular
  }
  return false;
}

/** What an authority is for holds for all that it issues, as OpenSSL sees it too. */
function issuesServers(candidate: X509Certificate): boolean {
  return candidate.ca && keyUsagesOf(candidate).includes('serverAuth');
}

/**
 * The same for a fingerprint. It names one of the certificates that the server has sent, which is then judged as any pin:
 * to be sent along is not enough.
 *
 * @param fingerprint in a form that `checkFingerprint` takes
 */
export function matchesFingerprint(chain: readonly X509Certificate[], fingerprint: string): boolean {
  const wanted = hexOf(fingerprint);
  const pin = chain.find(({ fingerprint256 }) => hexOf(fingerprint256) === wanted);
  return pin !== undefined && matchesPin(chain, pin);
}

/** Name and fingerprint, in one line. */
export function describeCertificate(certificate: X509Certificate): string {
  return `${oneLine(certificate.subject)}, SHA-256 ${certificate.fingerprint256}`;
}

/** A name that a peer has sent, for a message: its lines are separate parts. */
export function oneLine(name: string): string {
  return name.replaceAll('\n', ', ').replace(CONTROL_CHARACTERS, ' ').slice(0, MAX_NAME_LENGTH);
}

export function isSignedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  try {
    return certificate.verify(signer.publicKey);
  } catch {
    return false; // a key of a kind that this OpenSSL does not know
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && isSignedBy(certificate, issuer);
}

function isSameCertificate(one: X509Certificate, other: X509Certificate): boolean {
  return one.raw.equals(other.raw);
}

function isSame(one: X509Certificate, other: X509Certificate): boolean {
  return isSameCertificate(one, other) || hasSameKey(one, other);
}

/** Byte for byte with all parameters: a curve that somebody made up around the same point is another key. */
function hasSameKey(one: X509Certificate, other: X509Certificate): boolean {
  try {
    return publicKeyOf(one).equals(publicKeyOf(other));
  } catch {
    return false; // a key of a kind that this OpenSSL does not know
  }
}

function publicKeyOf(certificate: X509Certificate): Buffer {
  return certificate.publicKey.export({ format: 'der', type: 'spki' });
}

function hexOf(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
const MAX_NAME_LENGTH = 200;
