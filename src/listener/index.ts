export { MessageEndpointListener, type MessageEndpointListenerOptions } from './message-endpoint-listener.js';
export type { AcceptedPeer, Admission, PeerRequest, RefusedAdmission } from './admission.js';
export type { ListenerEvents, ListenerStatus, PeerStatus, RefusedPeer } from './listener-events.js';
export { type ListenerLimits } from './listener-limits.js';
export { type AuthorizePeer, type CollectionRight, type PeerAccess } from './peer-access.js';
export { PendingHandshakes, type PendingHandshake, type PendingHandshakesOptions } from './pending-handshakes.js';
export { PeerListener } from './peer-listener.js';
export type { PeerListenerOptions } from './peer-listener-options.js';
export { Lifecycle, type LifecycleSteps } from './lifecycle.js';
export {
  MediumListener,
  type ListenerHost,
  type ListenerMedium,
  type MediumListenerOptions,
} from './medium-listener.js';
