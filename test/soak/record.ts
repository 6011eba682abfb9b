/** What a soak writes down while it runs; the verdict, the table and the picture are made of nothing else. */
import { ROLES, type Role } from '../../device-examples/vessel/readings.js';

/** Who is watched. All are processes of their own. */
export type Part = Role | 'bridge' | 'shore' | 'broker';

export const PARTS: readonly Part[] = [...ROLES, 'bridge', 'shore', 'broker'];

/** Parts that have a database. */
export type Peer = Role | 'bridge' | 'shore';

export const PEERS: readonly Peer[] = [...ROLES, 'bridge', 'shore'];

/** One process at one moment, as Linux tells it. */
export interface ProcessSample {
  readonly part: Part;
  /** Another one is another life. */
  readonly pid: number;
  readonly rssMiB: number;
  readonly peakRssMiB: number;
  /** Open file descriptors, sockets included. */
  readonly handles: number;
  readonly sockets: number;
  readonly threads: number;
  /** Share of a core since the sample before; 0 in the first of a life. */
  readonly cpu: number;
}

/** One folder of a database. */
export interface PeerSample {
  readonly peer: Peer;
  readonly databaseBytes: number;
  readonly walBytes: number;
  readonly blobBytes: number;
  /** In the database now; undefined before it was told. */
  readonly documents: number | undefined;
}

/** The documents of one node along the way. */
export interface LagSample {
  readonly role: Role;
  readonly saved: number;
  readonly onBridge: number;
  readonly onShore: number;
}

export interface Sample {
  /** Seconds since the nodes began. */
  readonly at: number;
  readonly processes: readonly ProcessSample[];
  readonly peers: readonly PeerSample[];
  readonly lags: readonly LagSample[];
}

/** How long it took until a peer had as many documents of a node as the node had saved at one moment. */
export interface Probe {
  readonly at: number;
  readonly role: Role;
  readonly to: 'bridge' | 'shore';
  readonly milliseconds: number;
}

export type EventKind = 'cut' | 'hang' | 'noise' | 'mute' | 'unplug' | 'kill' | 'restart' | 'quiet';

export const EVENT_KINDS: readonly EventKind[] = ['cut', 'hang', 'noise', 'mute', 'unplug', 'kill', 'restart', 'quiet'];

/** What was done to whom, and until when. */
export interface SoakEvent {
  readonly kind: EventKind;
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

/** When the nodes lost the bridge and found it again. */
export interface Absence {
  readonly role: Role;
  readonly from: number;
  readonly to: number;
}

export interface SoakRecord {
  readonly seed: number;
  /** Seconds from the beginning of the nodes to the end of their saving. */
  readonly seconds: number;
  /** From then on nobody was killed. */
  readonly killsEndAt: number;
  /** From then on nothing was done to anybody. */
  readonly calmFrom: number;
  /** Readings a second of each node. */
  readonly pace: Readonly<Record<Role, number>>;
  /** How long a node keeps what it has pushed. */
  readonly keepSeconds: number;
  readonly samples: readonly Sample[];
  readonly probes: readonly Probe[];
  readonly events: readonly SoakEvent[];
  readonly absences: readonly Absence[];
  /** Documents that were purged on a node and offered to it again. */
  readonly returned: number;
}
