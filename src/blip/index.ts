/** The door of the room: BLIP 3 without a medium. See README.md. */
export { BlipConnection } from './connection.js';
export type {
  BlipEvent,
  IncomingRequest,
  IncomingResponse,
  OutgoingMessage,
  OutgoingRequest,
  RemoteError,
  SentRequest,
  StreamedMessage,
} from './message.js';
export { checkCompression, type CompressionOptions } from './compression-options.js';
export type { BlipOptions } from './options.js';
export { MAX_PROPERTIES_SIZE, MessageProperties } from './properties.js';
export { StreamedBody } from './streamed-body.js';
