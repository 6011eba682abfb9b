/** What people read of a soak: a table of processes, one of databases, what happened how often, and the findings. */
import { EVENT_KINDS, PEERS, type SoakRecord } from './record.js';
import { median, quantile } from './statistics.js';
import { growthOf, isLong, livesOf, thirds, type Finding, type Life } from './verdict.js';

export function summaryLines(record: SoakRecord): string[] {
  return [
    '',
    row(['process', 'life', 'RSS begin', 'middle', 'end', 'peak', 'by slope', 'handles', 'threads', 'CPU']),
    ...livesOf(record).filter(isLong).map(lifeRow),
    '',
    row(['database', 'documents', 'at most', 'file', 'bytes/doc', 'log, most', 'blobs']),
    ...PEERS.map((peer) => {
      const all = record.samples.flatMap(({ peers }) => peers.filter((found) => found.peer === peer));
      const last = all.at(-1);
      const documents = all.map((sample) => sample.documents ?? 0);
      const most = Math.max(0, ...documents);
      const bytes = last?.databaseBytes ?? 0;
      return row([
        ...[peer, grouped(documents.at(-1) ?? 0), grouped(most), mib(bytes), grouped(Math.round(bytes / most))],
        ...[mib(Math.max(0, ...all.map(({ walBytes }) => walBytes))), mib(last?.blobBytes ?? 0)],
      ]);
    }),
    '',
    ...delayLines(record),
    '',
    `What happened: ${eventsInWords(record)}.`,
    `Documents that nodes had purged and were offered again: ${grouped(record.returned)}.`,
    '',
  ];
}

export function eventsInWords({ events }: SoakRecord): string {
  const counts = EVENT_KINDS.map((kind) => [events.filter((event) => event.kind === kind).length, kind] as const);
  return counts.flatMap(([count, kind]) => (count === 0 ? [] : [`${count} × ${kind}`])).join(', ') || 'nothing';
}

export function findingLine({ rule, subject, isGood, text }: Finding): string {
  return `${isGood ? 'ok    ' : 'FAILED'}  ${rule.padEnd(11)} ${subject}: ${text}`;
}

function lifeRow(life: Life): string {
  const { part, points } = life;
  const third = Math.floor(points.length / 3);
  const begin = median(points.slice(0, Math.max(third, 1)).map(({ process }) => process.rssMiB));
  const { from, to, bySlope } = growthOf(life);
  const last = thirds(points)[1].map(({ process }) => process);
  const peak = Math.max(...points.map(({ process }) => process.peakRssMiB));
  const cpu = points.reduce((sum, { process }) => sum + process.cpu, 0) / points.length;
  return row([
    ...[part, `${(points[0]?.at ?? 0).toFixed(0)}–${(points.at(-1)?.at ?? 0).toFixed(0)} s`],
    ...[begin, from, to, peak].map((value) => value.toFixed(1)),
    `${bySlope >= 0 ? '+' : ''}${bySlope.toFixed(1)}`,
    ...[median(last.map(({ handles }) => handles)), median(last.map(({ threads }) => threads))].map(String),
    `${(cpu * 100).toFixed(1)} %`,
  ]);
}

function delayLines({ probes, calmFrom }: SoakRecord): string[] {
  return (['bridge', 'shore'] as const).map((to) => {
    const own = probes.filter((probe) => probe.to === to);
    const inWords = (some: typeof own): string => {
      const times = some.map(({ milliseconds }) => milliseconds);
      const figures = [0.5, 0.95, 0.99, 1].map((share) => `${grouped(Math.round(quantile(times, share)))} ms`);
      return `half ${figures[0]}, 95 % ${figures[1]}, 99 % ${figures[2]}, all ${figures[3]}`;
    };
    const calm = own.filter(({ at }) => at >= calmFrom);
    return `From save to ${to}, ${grouped(own.length)} probes: ${inWords(own)}; in the calm ${inWords(calm)}.`;
  });
}

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(12) : cell.padStart(11))).join('');
}

function grouped(value: number): string {
  return value.toLocaleString('en');
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
