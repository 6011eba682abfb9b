/** What an attack is, and what it has at hand. The attacks themselves are in the files that `attacks.ts` lists. */
import type { Mutator } from '../support/mutate.js';
import type { Intruder, PemIdentity, Target } from './intruder.js';

export interface Attack {
  /** Says what the attacker does, to read after "an attacker who". */
  readonly name: string;
  /**
   * One go, with one connection as a rule. Over when its connections are; whatever it throws is a fault of the attack.
   * What the listener does not end, ends with `strike.enough`.
   */
  readonly go: (strike: Strike) => Promise<void>;
  /** Codes of which the listener must tell one, of each connection that it ends. @default any */
  readonly reasons?: readonly string[];
  /** How many goes are under way at a time. @default 40 */
  readonly together?: number;
  /** Goes in the tests, where a few show the principle. @default 120 */
  readonly count?: number;
  /** Goes a second in `npm run hostile`, far above what is normal. A TLS handshake costs either side some 2 ms. @default 200 */
  readonly perSecond?: number;
  /** The listener puts up with it, as it must with a peer that is idle: only `enough` ends it. @default false */
  readonly endless?: boolean;
  /** Only a listener of this kind can be attacked so. @default any */
  readonly against?: Defence;
}

/** What a listener has. */
export type Defence = 'tls' | 'plain' | 'password' | 'certificates';

/** One go of an attack. */
export interface Strike {
  readonly target: Target;
  readonly random: Mutator;
  /** Fires when the assault is over: whoever still waits hangs up. */
  readonly enough: AbortSignal;
  /** A TCP connection; undefined if not even that could be had. */
  connect(): Promise<Intruder | undefined>;
  /** The same with TLS, where the target has it. @param certificate what to show. @default the target's, if it has one */
  secure(certificate?: PemIdentity | 'none'): Promise<Intruder | undefined>;
  /** The same as a WebSocket, with the password of an account, where the target wants one. */
  enter(): Promise<Intruder | undefined>;
  /** Waits until the listener ends it, or there is enough. */
  outlast(intruder: Intruder): Promise<void>;
}
