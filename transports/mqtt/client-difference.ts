/** What one client of a broker has and another has not, where both cannot be the same client. */
import type { Will } from './broker-client.js';
import type { Broker } from './broker-options.js';

/** What makes a client who it is to the broker. */
export interface ClientPart {
  readonly broker: Broker;
  /** A client has one. */
  readonly will?: Will | undefined;
}

/** In words, without any secret; undefined if there is none. How long things may take is no difference. */
export function differenceOf(one: ClientPart, other: ClientPart): string | undefined {
  const { username, password, identity } = one.broker;
  if (other.broker.username !== username || other.broker.password !== password) return 'another username or password';
  if (other.broker.identity?.certificate.fingerprint256 !== identity?.certificate.fingerprint256) {
    return 'another certificate of its own';
  }
  if (rootsOf(other.broker) !== rootsOf(one.broker)) return 'other trusted certificates';
  return areSame(one.will, other.will) ? undefined : 'another will, as for another listener';
}

function rootsOf({ trustedCertificates }: Broker): string {
  return (trustedCertificates ?? []).map((certificate) => certificate.fingerprint256).join(' ');
}

function areSame(one: Will | undefined, other: Will | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const isSameText = one.topic === other.topic && one.retain === other.retain;
  return isSameText && Buffer.compare(one.payload, other.payload) === 0;
}
