/** The door of the machine: pure, without I/O and time of its own. */
export { Acceptor, isHello, resetFor, rollCall } from './acceptor.js';
export { Link, type LinkState, type LinkStatistics } from './link.js';
export type { LinkEnd, LinkOutcome } from './link-end.js';
export type { LinkOptions } from './link-options.js';
export { DATA_HEADER_SIZE, MAX_PACKET_SIZE, MAX_TAG, MIN_PACKET_SIZE } from './packet.js';
export { checkPriority, SharedRate, type LinkPriority, type RateShare, type SharedRateOptions } from './shared-rate.js';
