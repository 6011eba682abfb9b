/**
 * The tie between a process of the demo and the one that started it: reports go up, orders come down, and when the tie
 * breaks the process ends. A node on a device of its own has no parent: then reports go nowhere and Ctrl-C ends it.
 */
import type { Reading, Role } from './readings.js';

/** What bridge and nodes tell. */
export type Report =
  /** The bridge, or the shore, can be reached, and is to be known by its certificate. */
  | { readonly type: 'listening'; readonly url: string; readonly port: number; readonly fingerprint: string }
  /** Documents of each node that are stored on the bridge, or on the shore. */
  | { readonly type: 'stored'; readonly counts: Readonly<Record<Role, number>> }
  /** Documents in a node's database, how many there will be, and the last reading that people look at. */
  | { readonly type: 'saved'; readonly saved: number; readonly total: number; readonly latest: Reading | undefined }
  /** How a node's replicator fares, and why not better. */
  | { readonly type: 'link'; readonly activity: Activity; readonly reason: string | undefined }
  /** What a node's link has done since it was made; `at` by the node's monotonic clock, in milliseconds. */
  | {
      readonly type: 'figures';
      readonly over: 'wss' | 'mqtt' | 'serial';
      readonly roundTripMs: number | undefined;
      readonly retransmissions: number;
      readonly sentBytes: number;
      readonly at: number;
    }
  /** Documents that a node has now, where it forgets what it pushed; and those that had been purged and came back. */
  | { readonly type: 'kept'; readonly documents: number; readonly returned: number }
  /** The digests asked for are in their file. */
  | { readonly type: 'digests-written' };

export type Activity = 'stopped' | 'offline' | 'connecting' | 'idle' | 'busy';

/** What they are told. */
export type Order =
  /** To write down the digests of their documents. */
  | { readonly type: 'write-digests'; readonly file: string }
  /** To go on with the log, at so many readings a second, again and again until `pause`. */
  | { readonly type: 'go-on'; readonly rate: number }
  | { readonly type: 'pause' };

const stop = new AbortController();

/** Fires when this process is to end. */
export const stopping: AbortSignal = stop.signal;

/** Resolves then. */
export const stopped: Promise<void> = new Promise((resolve) => {
  stopping.addEventListener('abort', () => resolve());
});

process.once('disconnect', () => stop.abort());
// False, and not undefined, if there was a tie and it broke while the modules were loading.
if (process.connected === false) stop.abort();
process.once('SIGTERM', () => stop.abort());
// A terminal sends these to all its processes at once; the parent then ends its children in order.
for (const signal of ['SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!process.connected) stop.abort();
  });
}

export function report(message: Report): void {
  // The parent may be gone already: then there is nobody to tell.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

export function onOrder(carryOut: (order: Order) => Promise<void>): void {
  process.on('message', (order: Order) => {
    void carryOut(order).catch((error: unknown) => {
      if (!stopping.aborted) throw error; // an order cut short by the end is no failure
    });
  });
}

/** Cuts the tie, which would keep this process alive. To be called last. */
export function leave(): void {
  if (process.connected) process.disconnect();
}

/** A setting from the environment, which unlike the command line is not for everybody to see. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== '') return value;
  console.error(`${name} is not set in the environment`);
  return process.exit(2);
}
