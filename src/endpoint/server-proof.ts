/** Whether a server could prove who it is at all. */
import type { ServerTrust } from '../security/index.js';
import { MessagingError } from './connection.js';

/**
 * For connections without TLS. Throws a MessagingError `ARGUMENT_INVALID` if the server is to be recognised: nobody may believe
 * to be protected by a pin that is never looked at.
 */
export function checkNothingToProve(name: string, trust: ServerTrust): void {
  const { pinnedServerCertificate, pinnedServerFingerprint, serverTrustPolicy } = trust;
  if ((pinnedServerCertificate ?? pinnedServerFingerprint ?? serverTrustPolicy) === undefined) return;
  const message = `${name}: without TLS no server can show a certificate, so a pin or policy would be ignored: switch TLS on`;
  throw new MessagingError('ARGUMENT_INVALID', message, { recoverable: false });
}
