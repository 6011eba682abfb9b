/**
 * Is this the server we meant? A decision over certificates that have already arrived: no socket, no clock.
 *
 * What the caller has established: the peer holds the key of the first certificate (TLS proved that). Nothing else about
 * the chain is taken on trust: a peer may send any certificate along with its own.
 */
import type { X509Certificate } from 'node:crypto';
import { builtins } from '../base/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { describeCertificate, isSignedBy, matchesFingerprint, matchesPin, oneLine } from './pinned-certificate.js';

/** How the certificate of a server is judged. The first that is given decides alone; without any the roots of Node do. */
export interface ServerTrust {
  /**
   * The chain of the server must lead to this certificate: its own, one that has issued it, or one of the same key, as a
   * renewed certificate has.
   */
  readonly pinnedServerCertificate?: X509Certificate;
  /**
   * The same by SHA-256 fingerprint: 64 hex digits, or 32 pairs with colons between. The server must send the certificate
   * that has it; one that was renewed has another fingerprint.
   */
  readonly pinnedServerFingerprint?: string;
  /** Judges by rules of its own, for example `TrustOnFirstUse`. */
  readonly serverTrustPolicy?: ServerTrustPolicy;
  /** Accept every self-signed leaf and nothing else. */
  readonly acceptOnlySelfSignedServerCertificate?: boolean;
}

/** A server as it has shown itself. */
export interface ShownServer {
  /** How it is addressed: `host:port` of a URL, the uid of a message endpoint. */
  readonly name: string;
  /** Of the URL, without brackets around an IPv6 address; `undefined` where the medium has no host names. */
  readonly hostname: string | undefined;
  /** As it was sent, its own certificate first, whose key the server has proved to hold. Never empty for a policy. */
  readonly chain: readonly X509Certificate[];
  /** OpenSSL's name for what is wrong with the chain by the roots of Node, if anything. */
  readonly chainError: string | undefined;
}

/** A rule of one's own: whom to believe. */
export interface ServerTrustPolicy {
  /**
   * Resolves to why the server is not trusted, or to `undefined` if it is. Anything else refuses it too, a rejection and an
   * answer that comes after the connect timeout included: to ask a person, refuse now and trust at a later attempt.
   */
  judge(server: ShownServer): Promise<HawserError | undefined>;
}

/**
 * Resolves to why the server is not trusted, or to `undefined` if it is. Never rejects; takes as long as the policy does.
 *
 * @param now milliseconds since the epoch
 */
export async function judgeServer(
  server: ShownServer,
  trust: ServerTrust,
  now: number,
): Promise<HawserError | undefined> {
  const leaf = server.chain[0];
  if (leaf === undefined) return new HawserError('TLS_CERTIFICATE_UNTRUSTED', 'the server has shown no certificate');
  const { pinnedServerCertificate: pin, pinnedServerFingerprint: fingerprint, serverTrustPolicy: policy } = trust;
  if (pin !== undefined) {
    return matchesPin(server.chain, pin) ? undefined : notPinned(leaf, `the pinned one (${describeCertificate(pin)})`);
  }
  if (fingerprint !== undefined) {
    return matchesFingerprint(server.chain, fingerprint)
      ? undefined
      : notPinned(leaf, `the one with the pinned fingerprint ${fingerprint}`);
  }
  if (policy !== undefined) return askPolicy(server, policy);
  if (trust.acceptOnlySelfSignedServerCertificate === true) return checkSelfSigned(leaf, now);
  return checkRoots(leaf, server);
}

function notPinned(leaf: X509Certificate, wanted: string): HawserError {
  return new HawserError(
    'TLS_CERTIFICATE_UNTRUSTED',
    `the certificate of the server (${describeCertificate(leaf)}) is not ${wanted}, nor issued by it for a server`,
    { hint: 'Pin the certificate that the server has now, if you know that it was changed on purpose.' },
  );
}

/** Only a clear yes is one. */
async function askPolicy(server: ShownServer, policy: ServerTrustPolicy): Promise<HawserError | undefined> {
  let said: unknown;
  try {
    said = await policy.judge(server);
  } catch (cause) {
    if (isHawserError(cause)) return cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new HawserError('TLS_CERTIFICATE_UNTRUSTED', `the serverTrustPolicy failed: ${detail}`, {
      cause,
      hint: 'Correct the policy: it resolves to undefined for a server that is trusted, to a HawserError otherwise.',
    });
  }
  if (said === undefined || isHawserError(said)) return said;
  return new HawserError(
    'TLS_CERTIFICATE_UNTRUSTED',
    'the serverTrustPolicy gave neither undefined nor a HawserError',
    {
      hint: 'Correct the policy: it resolves to undefined for a server that is trusted, to a HawserError otherwise.',
    },
  );
}

function checkSelfSigned(leaf: X509Certificate, now: number): HawserError | undefined {
  // Not `checkIssued`: it wants the key usage of an authority, which the certificate of a mere server need not have.
  if (leaf.issuer !== leaf.subject || !isSignedBy(leaf, leaf)) {
    return new HawserError(
      'TLS_CERTIFICATE_NOT_SELF_SIGNED',
      `only self-signed certificates are accepted, and that of the server (${describeCertificate(leaf)}) was issued by ${oneLine(leaf.issuer)}`,
    );
  }
  // Only the end: a certificate from the future means that this device's clock is behind, as it is after a cold start.
  if (Date.parse(leaf.validTo) <= now) return expired(leaf);
  return undefined;
}

function checkRoots(leaf: X509Certificate, { chainError, hostname }: ShownServer): HawserError | undefined {
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
      `the certificate of the server (${describeCertificate(leaf)}) does not lead to a trusted root: ${oneLine(chainError)}`,
    );
  }
  if (hostname === undefined) {
    // A root vouches for names. Without one, whoever has any certificate of that root could stand here.
    return new HawserError(
      'TLS_CERTIFICATE_NAME_MISMATCH',
      `the server has no host name that its certificate (${describeCertificate(leaf)}) could be for`,
      { hint: 'Pin the certificate of the server.' },
    );
  }
  const mismatch = builtins.tls().checkServerIdentity(hostname, leaf.toLegacyObject());
  if (mismatch === undefined) return undefined;
  return new HawserError('TLS_CERTIFICATE_NAME_MISMATCH', `the certificate of the server is not for ${hostname}`, {
    cause: mismatch,
  });
}

function expired(leaf: X509Certificate): HawserError {
  return new HawserError('TLS_CERTIFICATE_EXPIRED', `the certificate of the server expired on ${leaf.validTo}`);
}
