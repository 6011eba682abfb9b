/** A serial line without hardware: pseudo-terminals and what lies between them. */
export type { SerialLineErrors } from './damage.js';
export type { Relay } from './relays.js';
export type { SerialLineOptions } from './serial-line-options.js';
export {
  openSerialLine,
  SerialLine,
  serialLineProblem,
  type SerialLineEnd,
  type SerialLineStatistics,
} from './serial-line.js';
