/**
 * `hawser/testing`: what the author of a transport runs against it, with Node's own test runner; and a serial line without hardware.
 *
 * ```ts
 * import { connectionConformance } from 'hawser/testing';
 * connectionConformance('my medium', () => ({ connect, maxMessageSize: 65_536, maxBufferedBytes: 262_144, teardown }));
 * ```
 */
export { ConnectionRecorder } from './connection-recorder.js';
export type { ConnectionPair, ConnectionSetup, LinkEnd } from './connection-setup.js';
export { connectionConformance, type ConformanceOptions } from './connection.conformance.js';
export {
  openSerialLine,
  SerialLine,
  serialLineProblem,
  type SerialLineEnd,
  type SerialLineErrors,
  type SerialLineOptions,
  type SerialLineStatistics,
} from './serial-line/index.js';
