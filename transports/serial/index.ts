/** `hawser/serial`: replication over serial lines, between two ends or on a bus. */
export { SerialEndpoint, type SerialEndpointOptions } from './endpoint.js';
export { SerialEndpointListener, type SerialEndpointListenerOptions } from './listener.js';
export type { LineOptions } from './line-profile.js';
export type { SerialPortOptions } from './port-options.js';
export type { LinkStatistics } from '../link/index.js';
