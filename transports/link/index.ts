/** The reliable link, for media that lose, repeat and re-order. Used by other transports; no subpath of its own. */
export {
  LinkConnection,
  randomTag,
  type LinkConnect,
  type LinkConnectionOptions,
  type PacketMedium,
  type PacketSink,
} from './connection.js';
export {
  Acceptor,
  checkPriority,
  DATA_HEADER_SIZE,
  isHello,
  Link,
  MAX_PACKET_SIZE,
  MIN_PACKET_SIZE,
  resetFor,
  rollCall,
  SharedRate,
  type LinkOptions,
  type LinkPriority,
  type LinkStatistics,
  type RateShare,
  type SharedRateOptions,
} from './machine/index.js';
