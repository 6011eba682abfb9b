/** The setting of most benchmarks: two processes with a database each, one of them listening, and a relay between them. */
import type { Peer } from './peer.js';
import type { CountingRelay } from './relay.js';
import type { Stage } from './stage.js';

export interface Pair {
  /** Has to connect yet. */
  readonly active: Peer;
  readonly passive: Peer;
  readonly relay: CountingRelay;
  /** Where the active peer finds the passive one: the target of its replications. */
  readonly target: { readonly url: string };
}

export type Side = 'active' | 'passive';

export interface PairOptions {
  /** @default false */
  readonly plain?: boolean;
  /** How the active peer is run, and the profile of its database. */
  readonly active?: { readonly flags?: readonly string[]; readonly profile?: string };
  /** Of the listener. */
  readonly listener?: { readonly disableTLS?: boolean; readonly heartbeat?: number };
}

export async function openPair(
  stage: Stage,
  { plain = false, listener = {}, active: own = {} }: PairOptions = {},
): Promise<Pair> {
  const [active, passive] = [stage.peer({ plain, flags: own.flags ?? [] }), stage.peer({ plain })];
  await active.do('open', { path: stage.folder('active'), profile: own.profile });
  await passive.do('open', { path: stage.folder('passive') });
  const { port, name } = await passive.do<{ port: number; name: string }>('listen', { options: listener });
  const relay = await stage.relay(port);
  const scheme = listener.disableTLS === true ? 'ws' : 'wss';
  return { active, passive, relay, target: { url: `${scheme}://127.0.0.1:${relay.port}/${name}` } };
}

/**
 * Makes documents for a peer that is not open yet, in a process that takes no part afterwards: neither its memory nor its
 * warm code is in a figure.
 */
export async function fill(stage: Stage, name: string, command: string, parameters: object): Promise<void> {
  const maker = stage.peer();
  await maker.do('open', { path: stage.folder(name) });
  await maker.do(command, parameters);
  await maker.do('close');
  await maker.end();
}

/** Throws unless the peer has exactly so many documents. */
export async function checkCount(peer: Peer, expected: number): Promise<void> {
  const { count } = await peer.do<{ count: number }>('count');
  if (count !== expected) throw new Error(`${count} of ${expected} documents arrived`);
}
