/** What a replicator hands to its endpoint for every attempt to connect. */
import type { X509Certificate } from 'node:crypto';
import { hiddenHeaders, shownAs } from '../base/index.js';
import type { ConnectOptions } from '../endpoint/index.js';
import type { ReplicatorConfiguration } from './replicator-options.js';

/** Asks the authenticator. Neither `inspect` nor JSON shows what it gave. */
export function connectOptions(
  config: ReplicatorConfiguration,
  onServerCertificate: (certificate: X509Certificate) => void,
): ConnectOptions {
  const { authorization, cookie, identity } = config.authenticator?.credentials() ?? {};
  const headers = cookie === undefined ? config.headers : withCookie(config.headers, cookie);
  const { pinnedServerCertificate, pinnedServerFingerprint, serverTrustPolicy } = config;
  const options: ConnectOptions = {
    protocols: PROTOCOLS,
    ...(authorization === undefined ? {} : { authorization }),
    ...(identity === undefined ? {} : { identity }),
    ...(headers === undefined ? {} : { headers }),
    trust: {
      ...(pinnedServerCertificate === undefined ? {} : { pinnedServerCertificate }),
      ...(pinnedServerFingerprint === undefined ? {} : { pinnedServerFingerprint }),
      ...(serverTrustPolicy === undefined ? {} : { serverTrustPolicy }),
      acceptOnlySelfSignedServerCertificate: config.acceptOnlySelfSignedServerCertificate,
    },
    heartbeatMs: config.heartbeat * 1_000,
    connectTimeoutMs: Math.max(CONNECT_TIMEOUT_MS, config.target.connectTimeoutMs ?? 0),
    onServerCertificate,
    clock: config.clock,
    logger: config.logger,
  };
  return shownAs(options, { ...options, ...(authorization === undefined ? {} : { authorization: '***' }) });
}

/** One header for all cookies (RFC 6265 5.4), however the application spells its own; of two of one name servers take the first. */
function withCookie(headers: Readonly<Record<string, string>> = {}, cookie: string): Readonly<Record<string, string>> {
  const isCookie = ([name]: readonly [string, string]): boolean => name.toLowerCase() === 'cookie';
  const all = Object.entries(headers);
  const given = all.filter(isCookie).map(([, value]) => value);
  const others = all.filter((header) => !isCookie(header));
  return hiddenHeaders({ ...Object.fromEntries(others), Cookie: [cookie, ...given].join('; ') });
}

/** Sub-protocols that we speak, in order of preference (specification 1.2.1). */
export const PROTOCOLS: readonly string[] = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'];

/** How long opening may take, TLS and handshake included (specification 1.6). */
const CONNECT_TIMEOUT_MS = 15_000;
