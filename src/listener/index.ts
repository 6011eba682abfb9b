export { MessageEndpointListener, type MessageEndpointListenerOptions } from './message-endpoint-listener.js';
export {
  PeerListener,
  type AcceptedPeer,
  type Admission,
  type ListenerEvents,
  type ListenerStatus,
  type PeerListenerOptions,
  type PeerRequest,
  type PeerStatus,
} from './peer-listener.js';
