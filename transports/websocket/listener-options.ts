/** How a listener is configured: checked once, copied, and complete from then on. */
import {
  checkInteger,
  checkKeyUsage,
  checkOptions,
  checkSeconds,
  HawserError,
  type AuthorizePeer,
  type Clock,
  type ListenerAuthenticator,
  type ListenerLimits,
  type Logger,
  type PeerListener,
  type PeerListenerOptions,
  type TLSIdentity,
} from '../../src/index.js';

export interface URLEndpointListenerOptions extends PeerListenerOptions {
  /** @default 0: a free one, see {@link URLEndpointListener.port} */
  readonly port?: number;
  /** The name of a network interface (`eth0`) or one of its addresses. @default every address of the machine */
  readonly networkInterface?: string;
  /** Speak `ws:` without encryption. @default false */
  readonly disableTLS?: boolean;
  /** The certificate to show. @default an anonymous one, made once and kept in the folder `tls` of the database */
  readonly tlsIdentity?: TLSIdentity;
  /**
   * Probe a link on which nothing arrived for this long, and give up a client that owes an answer and sends nothing for as
   * long. In seconds; 0 for the default. @default 330
   */
  readonly heartbeat?: number;
}

/** The options with their defaults. */
export interface URLEndpointListenerConfiguration {
  readonly collections: PeerListener['collections'];
  readonly port: number;
  readonly networkInterface: string | undefined;
  readonly disableTLS: boolean;
  readonly tlsIdentity: TLSIdentity | undefined;
  readonly authenticator: ListenerAuthenticator | undefined;
  readonly readOnly: boolean;
  readonly enableDeltaSync: boolean;
  readonly heartbeat: number;
  readonly authorize: AuthorizePeer | undefined;
  readonly limits: Required<ListenerLimits>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Throws `OPTION_UNKNOWN`, `IDENTITY_UNSUITABLE`, or `ARGUMENT_INVALID` for what the engine does not check by itself. */
export function checkListenerOptions(options: URLEndpointListenerOptions): void {
  if (options === undefined) throw new HawserError('ARGUMENT_INVALID', 'URLEndpointListener: options are required');
  checkOptions('URLEndpointListener', options, KNOWN_OPTIONS);
  const { networkInterface, disableTLS, tlsIdentity, authenticator, readOnly, enableDeltaSync } = options;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `URLEndpointListener: ${what}`);
  };
  checkInteger('URLEndpointListener: port', options.port ?? 0, 0, 65_535);
  checkSeconds('URLEndpointListener: heartbeat', options.heartbeat);
  for (const [name, value] of Object.entries({ disableTLS, readOnly, enableDeltaSync })) {
    check(value === undefined || typeof value === 'boolean', `${name} must be true or false`);
  }
  const isName = typeof networkInterface === 'string' && networkInterface !== '';
  check(networkInterface === undefined || isName, 'networkInterface must be the name of an interface or an address');
  const isIdentity = typeof tlsIdentity?.certificatePem === 'function';
  check(tlsIdentity === undefined || isIdentity, 'tlsIdentity must be a TLSIdentity');
  if (tlsIdentity !== undefined) checkKeyUsage(tlsIdentity, 'serverAuth');
  const asksInVain = disableTLS === true && authenticator?.kind === 'certificate';
  check(
    !asksInVain,
    'a ListenerCertificateAuthenticator needs TLS: nobody can show a certificate while disableTLS is true',
  );
}

/** The copy that a listener keeps. `peers` has checked and copied what is the engine's. */
export function listenerConfiguration(
  options: URLEndpointListenerOptions,
  peers: PeerListener,
): URLEndpointListenerConfiguration {
  return Object.freeze({
    collections: peers.collections,
    port: options.port ?? 0,
    networkInterface: options.networkInterface,
    disableTLS: options.disableTLS ?? false,
    tlsIdentity: options.tlsIdentity,
    authenticator: options.authenticator,
    readOnly: options.readOnly ?? false,
    enableDeltaSync: options.enableDeltaSync ?? false,
    heartbeat: options.heartbeat || DEFAULT_HEARTBEAT,
    authorize: options.authorize,
    limits: peers.limits,
    logger: peers.logger,
    clock: peers.clock,
  });
}

const KNOWN_OPTIONS = [
  ...['collections', 'port', 'networkInterface', 'disableTLS', 'tlsIdentity', 'authenticator', 'readOnly'],
  ...['authorize', 'limits', 'enableDeltaSync', 'compression', 'heartbeat', 'logger', 'clock'],
];

/** A little more than the 300 s of a client, so that on an idle link one side probes and not both. */
const DEFAULT_HEARTBEAT = 330;
