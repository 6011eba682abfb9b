/** `hawser/mqtt`: replication through a broker. */
export type { BrokerOptions } from './broker-options.js';
export { MqttEndpoint, type MqttEndpointOptions } from './endpoint.js';
export type { MeteredOptions } from './link-profile.js';
export { MqttEndpointListener, type MqttEndpointListenerOptions } from './listener.js';
export { SharedRate, type LinkPriority, type LinkStatistics, type SharedRateOptions } from '../link/index.js';
