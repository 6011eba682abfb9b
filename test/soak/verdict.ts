/**
 * Nothing grows without reason: the rules. Each is about one life of a process or one database, compares the last third of the time
 * with the middle third (the first is warming up) and says in plain words what it found. Pure: a record goes in, findings come out.
 */
import { ROLES } from '../../device-examples/vessel/readings.js';
import {
  PARTS,
  PEERS,
  type Part,
  type Peer,
  type PeerSample,
  type ProcessSample,
  type Sample,
  type SoakRecord,
} from './record.js';
import { median, quantile, slope } from './statistics.js';

export interface Finding {
  readonly rule: 'memory' | 'handles' | 'threads' | 'log' | 'database' | 'forgetting' | 'lag' | 'connection';
  /** Whom it is about. */
  readonly subject: string;
  readonly isGood: boolean;
  /** What was found, with the figures. */
  readonly text: string;
}

/** One process from its start to its end. */
export interface Life {
  readonly part: Part;
  readonly pid: number;
  readonly points: readonly { readonly at: number; readonly process: ProcessSample; readonly documents: number }[];
}

export function livesOf({ samples }: SoakRecord): Life[] {
  const lives = new Map<number, { part: Part; pid: number; points: Life['points'][number][] }>();
  for (const sample of samples) {
    for (const process of sample.processes) {
      const { part, pid } = process;
      const life = lives.get(pid) ?? { part, pid, points: [] };
      lives.set(pid, life);
      life.points.push({ at: sample.at, process, documents: handledBy(part, sample) });
    }
  }
  return [...lives.values()].sort((a, b) => PARTS.indexOf(a.part) - PARTS.indexOf(b.part));
}

export function judge(record: SoakRecord): Finding[] {
  const lives = livesOf(record).filter(isLong);
  return [
    ...lives.map(memory),
    ...lives.map((life) => steady(life, 'handles', 3)),
    ...lives.map((life) => steady(life, 'threads', 1)),
    ...PEERS.map((peer) => log(record, peer)),
    ...PEERS.map((peer) => database(record, peer)),
    ...ROLES.map((role) => forgetting(record, role)),
    ...ROLES.flatMap((role) => [lag(record, role), connection(record, role)]),
  ];
}

/** Shorter lives are warming up from beginning to end. */
export function isLong({ points }: Life): boolean {
  return points.length >= 30 && (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0) >= SHORTEST_LIFE_S;
}

/** The middle and the last third. */
export function thirds<T>(items: readonly T[]): readonly [middle: readonly T[], last: readonly T[]] {
  const [first, second] = [Math.floor(items.length / 3), Math.floor((2 * items.length) / 3)];
  return [items.slice(first, second), items.slice(second)];
}

/**
 * How far memory grew from the middle third of a life to the last, told twice: by the medians, and by the slope of memory over
 * documents, times the documents between. What a collection of garbage does moves the one or the other; only a leak moves both.
 */
export function growthOf({ points }: Life): { readonly from: number; readonly to: number; readonly bySlope: number } {
  const [middle, last] = thirds(points);
  const [from, to] = [middle, last].map((third) => median(third.map(({ process }) => process.rssMiB)));
  const later = [...middle, ...last];
  // Over time, where nothing is handled.
  const x = (point: Life['points'][number]): number => point.documents || point.at;
  const between = median(last.map(x)) - median(middle.map(x));
  return {
    ...{ from: from ?? NaN, to: to ?? NaN },
    bySlope: slope(later.map((point) => [x(point), point.process.rssMiB])) * between,
  };
}

function memory(life: Life): Finding {
  const { from, to, bySlope } = growthOf(life);
  const allowed = Math.max(MEMORY_MIB, from * MEMORY_SHARE);
  const isGood = to - from <= allowed || bySlope <= allowed;
  const figures = `${mib(from)} in the middle third of its life, ${mib(to)} in the last, ${mib(bySlope)} by the slope over documents`;
  return { rule: 'memory', subject: nameOf(life), isGood, text: `${figures}; ${mib(allowed)} of growth are allowed` };
}

function steady(life: Life, rule: 'handles' | 'threads', allowed: number): Finding {
  const [from = NaN, to = NaN] = thirds(life.points).map((third) => median(third.map(({ process }) => process[rule])));
  const text = `${from} in the middle third of its life, ${to} in the last; ${allowed} more are allowed`;
  return { rule, subject: nameOf(life), isGood: to - from <= allowed, text };
}

function log({ samples }: SoakRecord, peer: Peer): Finding {
  const most = Math.max(...samples.map((sample) => of(sample, peer)?.walBytes ?? 0));
  const text = `its log had ${mib(most / MIB)} at the most; ${mib(WAL_BOUND / MIB)} are allowed`;
  return { rule: 'log', subject: peer, isGood: most <= WAL_BOUND, text };
}

/**
 * The file is explained by the most documents it ever held: for a bridge or a shore those it has, for a node that forgets those of
 * its longest backlog, since SQLite uses the space of what was purged again and gives none back.
 */
function database({ samples }: SoakRecord, peer: Peer): Finding {
  const known = samples.flatMap((sample) => {
    const found = of(sample, peer);
    return found?.documents === undefined || found.documents === 0 ? [] : [{ ...found, documents: found.documents }];
  });
  const [middle] = thirds(known);
  const before = known.slice(0, known.length - thirds(known)[1].length);
  const [from, to] = [before, known].map((part) => ({
    bytes: Math.max(0, ...part.map(({ databaseBytes }) => databaseBytes)),
    documents: Math.max(0, ...part.map(({ documents }) => documents)),
  }));
  if (middle.length === 0 || from === undefined || to === undefined) {
    return { rule: 'database', subject: peer, isGood: false, text: 'it was not seen often enough' };
  }
  const slack = peer === 'bridge' || peer === 'shore' ? LOG_IN_FILE : PAGES;
  const allowed = (from.bytes / from.documents) * to.documents * (1 + DATABASE_SHARE) + slack;
  const each = ({ bytes, documents }: typeof from): string =>
    `${mib(bytes / MIB)} for at most ${documents.toLocaleString('en')} documents`;
  const text = `${each(from)} after two thirds, ${each(to)} at the end; ${mib(allowed / MIB)} are allowed`;
  return { rule: 'database', subject: peer, isGood: to.bytes <= allowed, text };
}

/** At the end of the calm, a node that forgets has what it saved in the time it keeps. */
function forgetting({ samples, calmFrom, pace, keepSeconds }: SoakRecord, role: Peer): Finding {
  const calm = samples.filter(({ at }) => at >= calmFrom).flatMap((sample) => of(sample, role)?.documents ?? []);
  const kept = calm.at(-1) ?? NaN;
  const rate = pace[role as keyof typeof pace];
  const allowed = Math.ceil(rate * (keepSeconds + FORGET_LATE_S) * 1.2) + 50;
  const text = `${kept.toLocaleString('en')} documents at the end, ${allowed.toLocaleString('en')} are allowed`;
  return { rule: 'forgetting', subject: role, isGood: kept <= allowed, text };
}

/** In the calm nothing waits for long; that all arrived in the end is compared, and not judged here. */
function lag({ samples, probes, calmFrom, pace }: SoakRecord, role: (typeof ROLES)[number]): Finding {
  const behind = samples
    .filter(({ at }) => at >= calmFrom)
    .flatMap(({ lags }) => lags.filter((lag) => lag.role === role).map(({ saved, onShore }) => saved - onShore));
  const usual = median(thirds(behind)[1]);
  const allowed = Math.ceil(pace[role] * LATE_S);
  const times = probes
    .filter((probe) => probe.role === role && probe.to === 'shore')
    .map((probe) => probe.milliseconds);
  const [half, most] = [quantile(times, 0.5), quantile(times, 0.95)].map((ms) => `${Math.round(ms)} ms`);
  const text =
    `at the end ${usual} documents are on their way to the shore, ${allowed} are allowed; ` +
    `half arrive within ${half}, 95 % within ${most}, mishaps included`;
  return { rule: 'lag', subject: role, isGood: usual <= allowed, text };
}

/** A node is away while its link is cut, and for as long as it waits before it tries again. */
function connection({ absences, calmFrom, seconds }: SoakRecord, role: (typeof ROLES)[number]): Finding {
  const own = absences.filter((absence) => absence.role === role);
  const longest = Math.max(0, ...own.map(({ from, to }) => to - from));
  const last = own.filter(({ to }) => to > calmFrom).reduce((most, { to }) => Math.max(most, to), calmFrom);
  const allowed = Math.max(MAX_RETURN_S, (seconds - calmFrom) / 2);
  const text =
    `away ${own.length} times, at the longest ${longest.toFixed(0)} s; ` +
    `back ${(last - calmFrom).toFixed(0)} s after the last mishap, ${allowed.toFixed(0)} s are allowed`;
  return { rule: 'connection', subject: role, isGood: last - calmFrom <= allowed, text };
}

/** What memory could be a reason for: documents that it saved, stored or forwarded. */
function handledBy(part: Part, { lags }: Sample): number {
  const sum = (what: 'saved' | 'onBridge' | 'onShore'): number => lags.reduce((total, lag) => total + lag[what], 0);
  if (part === 'bridge') return sum('onBridge');
  if (part === 'shore') return sum('onShore');
  if (part === 'broker') return lags.find(({ role }) => role === 'weather')?.saved ?? 0;
  return lags.find(({ role }) => role === part)?.saved ?? 0;
}

function of({ peers }: Sample, peer: Peer): PeerSample | undefined {
  return peers.find((found) => found.peer === peer);
}

function nameOf({ part, points }: Life): string {
  return `${part} (${(points[0]?.at ?? 0).toFixed(0)}–${(points.at(-1)?.at ?? 0).toFixed(0)} s)`;
}

function mib(value: number): string {
  return `${value.toFixed(1)} MiB`;
}

const MIB = 1024 * 1024;
const SHORTEST_LIFE_S = 120;
/** What a heap of Node comes and goes by. */
const MEMORY_MIB = 12;
const MEMORY_SHARE = 0.1;
/** 4,000 pages and the journal's limit are 16 MiB each; a transaction under way when it is reached comes on top. */
const WAL_BOUND = 24 * MIB;
const DATABASE_SHARE = 0.25;
/** Where documents are kept: a checkpoint moves all at once that the log had, minutes after they were stored. */
const LOG_IN_FILE = 2 * MIB;
/** Where they are not: what is used again is not always used in full. */
const PAGES = 0.25 * MIB;
/** Acknowledgements, and the look for those that were lost. */
const FORGET_LATE_S = 10;
const LATE_S = 10;
/** The longest wait between two attempts after an outage of 20 seconds, and an attempt that fails on a busy machine. */
const MAX_RETURN_S = 45;
