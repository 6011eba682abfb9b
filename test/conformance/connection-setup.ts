/** What the author of a transport hands to the conformance suite: a medium, and what it can do. */
import type { MessageEndpointConnection } from '../../src/index.js';

/** Which end of a link: `near` is the active peer, `far` the passive one. */
export type LinkEnd = 'near' | 'far';

/** A fresh link whose ends were not opened yet. */
export interface ConnectionPair {
  readonly near: MessageEndpointConnection;
  /** A promise where the passive end comes into being only when the active one connects. */
  readonly far: MessageEndpointConnection | Promise<MessageEndpointConnection>;
  /** Breaks the medium without a farewell. Both ends must then report one recoverable error. */
  vanish?(): void | Promise<void>;
  /** Lets bytes arrive at one end that no peer would send. It must then report one error. */
  injectGarbage?(end: LinkEnd): void | Promise<void>;
}

/** One medium, ready to make links; made anew for each case. */
export interface ConnectionSetup {
  /** A fresh link. Called several times where `manyLinks` is not false. */
  connect(): ConnectionPair | Promise<ConnectionPair>;
  /** A connection that nobody will accept. */
  refuse?(): MessageEndpointConnection | Promise<MessageEndpointConnection>;
  /** The largest message that `send` accepts, in bytes; at least 65,536. */
  readonly maxMessageSize: number;
  /** How much a sender that awaits each `send` can be rid of while the receiver takes nothing, in bytes. */
  readonly maxBufferedBytes: number;
  /** Whether a closing error's recoverability and text reach the peer. @default true */
  readonly carriesReason?: boolean;
  /** Whether two links can be open at the same time. @default true */
  readonly manyLinks?: boolean;
  /** Names of what is still in use (timers, sockets, topics); must be empty after the links were closed. */
  leftovers?(): readonly string[];
  teardown?(): void | Promise<void>;
}
