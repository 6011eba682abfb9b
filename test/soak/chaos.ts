/**
 * What happens to the fleet: links break and hang, the line is noisy, plugs are pulled, processes are killed and restarted, nobody
 * saves. What comes next and for how long is decided by the seed alone; how long it takes until a process is up again is not.
 *
 * The navigation node is never ended, so that one process lives from the beginning to the end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom, type RandomSource } from '../../src/index.js';
import { USUAL_NOISE, type Fleet, type LinkName } from './fleet.js';
import type { EventKind, Peer, SoakEvent } from './record.js';

/** Something that is going to happen to a part that nothing else happens to at that time. */
export interface Mishap {
  readonly kind: EventKind;
  readonly target: string;
  readonly seconds: number;
}

type Chance = readonly [weight: number, kind: EventKind, target: string, shortest: number, longest: number];

const NETWORK: readonly Chance[] = (
  ['navigation–bridge', 'weather–broker', 'bridge–broker', 'bridge–shore'] satisfies LinkName[]
).flatMap((name): Chance[] => [
  [3, 'cut', name, 0, 10],
  [1, 'hang', name, 3, 10],
]);
const LINE: readonly Chance[] = [
  [4, 'noise', 'line', 2, 8],
  [1, 'mute', 'line', 2, 8],
  [2, 'unplug', 'engine', 2, 10],
  [1, 'unplug', 'bridge', 2, 10],
];
const REST: readonly Chance[] = [[1, 'quiet', 'nodes', 8, 20]];
const ENDS: readonly Chance[] = (['kill', 'restart'] as const).flatMap((kind): Chance[] => [
  [2, kind, 'engine', 0, 6],
  [2, kind, 'weather', 0, 6],
  [1, kind, 'broker', 0, 6],
  [0.7, kind, 'bridge', 0, 8],
  [0.4, kind, 'shore', 0, 8],
]);

/** Chooses one; undefined if something happens already to whom it would be done to. */
export function choose(random: RandomSource, busy: ReadonlySet<string>, withKills: boolean): Mishap | undefined {
  const chances = [...NETWORK, ...LINE, ...REST, ...(withKills ? ENDS : [])];
  let left = random.next() * chances.reduce((sum, [weight]) => sum + weight, 0);
  const chance = chances.find(([weight]) => (left -= weight) < 0);
  if (chance === undefined) return undefined;
  const [, kind, target, shortest, longest] = chance;
  const mishap = { kind, target, seconds: shortest + random.next() * (longest - shortest) };
  return busy.has(busyName(mishap)) ? undefined : mishap;
}

/** What it is done to: an end of the line is the line. */
function busyName({ kind, target }: Mishap): string {
  return kind === 'unplug' ? 'line' : target;
}

export interface ChaosOptions {
  readonly fleet: Fleet;
  readonly seed: number;
  /** Seconds since the beginning. */
  readonly now: () => number;
  readonly killsEndAt: number;
  readonly endAt: number;
  readonly tell: (news: string) => void;
}

/** Resolves at the end with what was done, when all of it is over and healed. */
export async function chaos({ fleet, seed, now, killsEndAt, endAt, tell }: ChaosOptions): Promise<SoakEvent[]> {
  const random = seededRandom(seed);
  const busy = new Set<string>();
  const running = new Set<Promise<void>>();
  const events: SoakEvent[] = [];
  for (;;) {
    const pause = SHORTEST_PAUSE + random.next() * (LONGEST_PAUSE - SHORTEST_PAUSE);
    if (now() + pause >= endAt) break;
    // Also what fails meanwhile ends it.
    await Promise.race([delay(pause * 1_000), fleet.until(() => false, pause * 1_000)]);
    const mishap = choose(random, busy, now() < killsEndAt);
    if (mishap === undefined) continue;
    const name = busyName(mishap);
    const from = now();
    busy.add(name);
    const happening = happen(fleet, mishap).then(
      () => {
        events.push({ kind: mishap.kind, target: mishap.target, from, to: now() });
        tell(`${mishap.kind} ${mishap.target}, ${(now() - from).toFixed(1)} s`);
      },
      (error: unknown) => fleet.fail(error instanceof Error ? error : new Error(String(error))),
    );
    running.add(happening);
    void happening.finally(() => {
      running.delete(happening);
      busy.delete(name);
    });
  }
  await Promise.all(running);
  return events;
}

/** Does it, waits, and undoes it. */
async function happen(fleet: Fleet, { kind, target, seconds }: Mishap): Promise<void> {
  const { line, links, broker } = fleet;
  const link = links.get(target as LinkName);
  const end = target === 'bridge' ? 0 : 1;
  const wait = (): Promise<void> => delay(seconds * 1_000);
  switch (kind) {
    case 'cut':
      link?.cut();
      await wait();
      return link?.heal();
    case 'hang':
      link?.hang();
      await wait();
      link?.cut();
      return link?.heal();
    case 'noise':
      line.setErrors({ bitErrorRate: BURST_NOISE, dropRate: BURST_NOISE, insertRate: BURST_NOISE });
      await wait();
      return line.setErrors({ bitErrorRate: USUAL_NOISE });
    case 'mute':
      line.mute();
      await wait();
      return line.unmute();
    case 'unplug':
      await line.unplug(end);
      await wait();
      return line.replug(end);
    case 'quiet':
      fleet.pause();
      await wait();
      return fleet.play();
    case 'kill':
    case 'restart':
      if (target === 'broker') {
        await (kind === 'kill' ? broker.kill() : broker.stop());
        await wait();
        return broker.restart();
      }
      await fleet.end(target as Peer, kind === 'kill' ? 'kill' : 'stop');
      await wait();
      return fleet.start(target as Peer);
  }
}

const SHORTEST_PAUSE = 3;
const LONGEST_PAUSE = 11;
/** In a burst a frame of 200 bytes has no chance in four to be whole. */
const BURST_NOISE = 5e-4;
