/** The door of this room: what a transport implements, what replicators and listeners connect with, and the layers between. */
export * from './close-codes.js';
export * from './connection.js';
export * from './endpoint.js';
export { handshakeConnection, type HandshakeOptions } from './handshake/client.js';
export { MAX_HANDSHAKE_SIZE, type HandshakeRequest } from './handshake/messages.js';
export {
  answerHandshake,
  type AdmittedConnection,
  type AnswerHandshakeOptions,
  type HandshakeRefusal,
  type HandshakeVerdict,
} from './handshake/server.js';
export { byteStreamConnection, type ByteStreamOptions } from './layers/byte-stream.js';
export { faulty, type FaultOptions, type Lag } from './layers/faulty.js';
export { secureConnection, type SecureConnection, type SecureOptions } from './layers/secure.js';
export { formatTraceEvent, traced, type TraceEvent, type TraceOptions } from './layers/trace.js';
export { loopbackByteStreamPair, type LoopbackByteStreamOptions } from './loopback/byte-stream-pair.js';
export { LoopbackEndpoint } from './loopback/loopback-endpoint.js';
export { loopbackPair, type LoopbackOptions, type LoopbackPair } from './loopback/loopback-pair.js';
export * from './message-connection.js';
export {
  checkLayers,
  checkProtocolType,
  claimConnection,
  MessageEndpoint,
  type MessageEndpointDelegate,
  type MessageEndpointOptions,
  type ProtocolType,
} from './message-endpoint.js';
export * from './messaging-error.js';
export { refusalError } from './refusal.js';
export { checkNothingToProve } from './server-proof.js';
export { tlsError } from './tls-errors.js';
export { ReceiveGate, type ReceiveGateOptions } from './receive-gate.js';
export { Heartbeat, type HeartbeatOptions } from './layers/heartbeat.js';
