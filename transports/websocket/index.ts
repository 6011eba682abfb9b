/** `hawser/websocket`: replication over WebSocket and TLS. */
export { URLEndpoint } from './endpoint.js';
export { URLEndpointListener } from './listener.js';
export type { URLEndpointListenerConfiguration, URLEndpointListenerOptions } from './listener-options.js';
