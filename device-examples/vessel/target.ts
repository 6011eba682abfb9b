/** How a node reaches the bridge: by network, through a broker, or over a serial line. The rest of a node does not know. */
import type { Endpoint } from 'hawser';
import { MqttEndpoint, type LinkStatistics } from 'hawser/mqtt';
import { SerialEndpoint } from 'hawser/serial';
import { URLEndpoint } from 'hawser/websocket';

/** As it stands in the settings of a node. */
export type Target =
  | { readonly over: 'wss'; readonly url: string }
  | { readonly over: 'mqtt'; readonly broker: string; readonly clientId: string }
  | { readonly over: 'serial'; readonly path: string; readonly baudRate: number };

/** An endpoint, and what its link has done, where there is a link below it. */
export type VesselEndpoint = Endpoint & { readonly statistics?: LinkStatistics | undefined };

/** What the bridge is called: the name of its database. */
export const BRIDGE = 'vessel';

export function endpointOf(target: Target): VesselEndpoint {
  switch (target.over) {
    case 'wss':
      return new URLEndpoint(target.url);
    case 'mqtt':
      return new MqttEndpoint({ broker: { url: target.broker, clientId: target.clientId }, peer: BRIDGE });
    case 'serial':
      return new SerialEndpoint({ path: target.path, baudRate: target.baudRate, peer: BRIDGE });
  }
}
