/** Who is at the other end of a connection, as far as it has proved it. */
import type { X509Certificate } from 'node:crypto';

export interface PeerIdentity {
  /** Where it comes from: an IP address, a client's name, a device path. Not proved by anything. */
  readonly address?: string;
  /** The name whose password it knows. */
  readonly username?: string;
  /**
   * Its own certificate, whose key it has proved to hold, then those that it sent along, which may be anybody's: only the
   * first says who it is. Compare its `fingerprint256`, or `serialNumber` together with `issuer`; a search in `subject` can be
   * fooled. Only where the listener's authenticator asked for one and accepted it.
   */
  readonly certificates?: readonly X509Certificate[];
}
