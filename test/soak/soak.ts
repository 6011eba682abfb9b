/**
 * One soak from beginning to end: everybody starts, everything happens to them, then for a while to links only, then nothing; the
 * nodes stop saving, what is under way arrives, and the documents of all are compared.
 */
import { describe, isEqual } from '../../device-examples/vessel/compare.js';
import type { Logs } from '../../device-examples/vessel/logs.js';
import { chaos } from './chaos.js';
import { Fleet } from './fleet.js';
import type { SoakRecord } from './record.js';
import { Sampler } from './sampler.js';

export interface SoakSettings {
  /** For the databases and all else that the soak needs. */
  readonly folder: string;
  /** The folder of the compiled programs. */
  readonly programs: string;
  readonly logs: Logs;
  readonly seconds: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly tell: (news: string) => void;
}

export interface SoakResult {
  readonly record: SoakRecord;
  readonly isEqual: boolean;
  /** How the documents compare, in words. */
  readonly comparison: string;
  /** Seconds from the last save to the last arrival on the shore. */
  readonly settledAfter: number;
  /** Lines that the processes wrote to standard error. */
  readonly said: readonly string[];
}

/** Rejects if a process ends that nobody wanted to end, or does not come up again. */
export async function soak(settings: SoakSettings): Promise<SoakResult> {
  const { folder, programs, logs, seconds, seed, signal, tell } = settings;
  const begun = { at: performance.now() };
  const now = (): number => (performance.now() - begun.at) / 1_000;
  const said: string[] = [];
  const keepSeconds = Math.min(LONGEST_KEEP_S, Math.max(SHORTEST_KEEP_S, Math.round(seconds / 10)));
  const calm = Math.max(seconds * CALM_SHARE, Math.min(SHORTEST_CALM_S, seconds / 3));
  const [killsEndAt, calmFrom] = [seconds * KILLS_UNTIL, seconds - calm];
  const clock = (text: string): void => tell(`${now().toFixed(0).padStart(5)} s  ${text}`);
  let sampler: Sampler | undefined;
  const fleet = await Fleet.open({
    ...{ folder, programs, logs, pace: PACE, keepSeconds, seed, signal },
    onReport: (peer, report) => sampler?.take(peer, report),
    tell: (line) => {
      said.push(line);
      clock(line);
    },
  });
  try {
    for (const peer of ['shore', 'bridge', 'navigation', 'weather', 'engine'] as const) await fleet.start(peer);
    begun.at = performance.now();
    sampler = new Sampler({ fleet, folder, now, maxBytes: MAX_BYTES }, Math.min(5, Math.max(1, seconds / 300)));
    fleet.play();
    clock(`all processes are up; nodes keep what they pushed for ${keepSeconds} s`);

    const events = await chaos({ fleet, seed, now, killsEndAt, endAt: calmFrom, tell: clock });
    clock(`${events.length} mishaps are over: calm until ${seconds.toFixed(0)} s`);
    await fleet.until(() => false, Math.max(0, seconds - now()) * 1_000);
    fleet.pause();
    const pausedAt = now();
    clock('the nodes save nothing any more');
    if (!(await settled(fleet))) clock(`${fleet.missing} documents are not on the shore, and nothing moves any more`);
    const settledAfter = now() - pausedAt;
    sampler.stop();
    const comparison = await fleet.compare();
    return {
      record: {
        ...{ seed, seconds, killsEndAt, calmFrom, pace: PACE, keepSeconds, events },
        ...{ samples: sampler.samples, probes: sampler.probes, absences: sampler.absences, returned: fleet.returned },
      },
      ...{ isEqual: fleet.missing === 0 && isEqual(comparison), comparison: describe(comparison), settledAfter, said },
    };
  } finally {
    sampler?.stop();
    await fleet.close();
  }
}

/** True when all is on the shore, false if nothing moves any more. */
async function settled(fleet: Fleet): Promise<boolean> {
  for (;;) {
    const before = fleet.missing;
    if (await fleet.until(() => fleet.missing === 0, STALLED_MS)) return true;
    if (fleet.missing === before) return false;
  }
}

/** Readings a second: what a real vessel has, and what a serial line takes beside noise. */
const PACE = { navigation: 12, weather: 8, engine: 4 };
const KILLS_UNTIL = 0.5;
const CALM_SHARE = 0.1;
/** Whoever waits before he tries again comes back in it. */
const SHORTEST_CALM_S = 60;
const [SHORTEST_KEEP_S, LONGEST_KEEP_S] = [10, 300];
const STALLED_MS = 60_000;
const MAX_BYTES = 2e9;
