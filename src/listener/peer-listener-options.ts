/** How a listener is configured, whatever its medium. */
import { checkOptions, checkSeconds, type Clock, type Logger } from '../base/index.js';
import type { CompressionOptions } from '../blip/index.js';
import type { Collection } from '../database/index.js';
import { HawserError } from '../errors.js';
import type { ListenerAuthenticator } from '../security/index.js';
import type { ListenerLimits } from './listener-limits.js';
import type { AuthorizePeer } from './peer-access.js';

export interface PeerListenerOptions {
  /** What peers may replicate: one or more collections of one database. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- collections of any document type
  readonly collections: readonly Collection<any>[];
  /** Who may connect. @default everybody */
  readonly authenticator?: ListenerAuthenticator;
  /** Peers may pull but not push, whatever `authorize` says. @default false */
  readonly readOnly?: boolean;
  /** What each peer may do, once it is known who it is. @default everything */
  readonly authorize?: AuthorizePeer;
  /** Send and take differences to what the other side has, instead of whole documents. @default false */
  readonly enableDeltaSync?: boolean;
  /** How hard to compress what is sent. */
  readonly compression?: CompressionOptions;
  /** How much a stranger may cost. */
  readonly limits?: ListenerLimits;
  /** Give up a peer that owes an answer and sends nothing for this long. In seconds; 0 for the default. @default 330 */
  readonly heartbeat?: number;
  /** @default the database's */
  readonly logger?: Logger;
  /** @default the database's */
  readonly clock?: Clock;
}

/** Throws `OPTION_UNKNOWN`, or `ARGUMENT_INVALID` for a kind of value that would quietly switch something on, or off. */
export function checkPeerListenerOptions(options: PeerListenerOptions): void {
  checkOptions('listener', options, KNOWN_OPTIONS);
  const { readOnly, enableDeltaSync, heartbeat, authenticator, authorize } = options;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `listener: ${what}`);
  };
  for (const [name, value] of Object.entries({ readOnly, enableDeltaSync })) {
    check(value === undefined || typeof value === 'boolean', `${name} must be true or false`);
  }
  const isAuthenticator =
    typeof authenticator?.authenticate === 'function' && typeof authenticator.claimOf === 'function';
  const kinds = 'a ListenerPasswordAuthenticator or a ListenerCertificateAuthenticator';
  check(authenticator === undefined || isAuthenticator, `authenticator must be ${kinds}`);
  check(authorize === undefined || typeof authorize === 'function', 'authorize must be a function');
  checkSeconds('listener: heartbeat', heartbeat);
}

const KNOWN_OPTIONS = [
  'collections',
  'authenticator',
  'readOnly',
  'enableDeltaSync',
  'compression',
  'authorize',
  'limits',
  'heartbeat',
  'logger',
  'clock',
];
