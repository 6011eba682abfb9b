/** Which curves of a soak are drawn. */
import { ROLES } from '../../device-examples/vessel/readings.js';
import type { Chart, Curve, Panel } from './chart.js';
import { EVENT_KINDS, PARTS, PEERS, type PeerSample, type ProcessSample, type SoakRecord } from './record.js';

export function chartOf(record: SoakRecord, subtitle: string): Chart {
  return {
    title: `The vessel for ${Number((record.seconds / 60).toFixed(1))} min, seed ${record.seed}`,
    subtitle,
    seconds: record.samples.at(-1)?.at ?? record.seconds,
    panels: panelsOf(record),
    kinds: EVENT_KINDS,
    marks: record.events,
    through: ['kill', 'restart'],
  };
}

function panelsOf(record: SoakRecord): Panel[] {
  const mib = (bytes: number): number => bytes / 1024 / 1024;
  return [
    { title: 'Resident memory', unit: 'MiB', curves: ofProcesses(record, ({ rssMiB }) => rssMiB) },
    { title: 'Processor', unit: '%', curves: ofProcesses(record, ({ cpu }) => cpu * 100) },
    { title: 'Open files and sockets', unit: '', curves: ofProcesses(record, ({ handles }) => handles) },
    { title: 'Sockets alone', unit: '', curves: ofProcesses(record, ({ sockets }) => sockets) },
    { title: 'Threads', unit: '', curves: ofProcesses(record, ({ threads }) => threads) },
    {
      title: 'Documents in the database',
      unit: '',
      curves: ofPeers(record, ({ documents = NaN }) => documents),
      logarithmic: true,
    },
    { title: 'Database file', unit: 'MiB', curves: ofPeers(record, ({ databaseBytes }) => mib(databaseBytes)) },
    { title: 'Write-ahead log', unit: 'MiB', curves: ofPeers(record, ({ walBytes }) => mib(walBytes)) },
    ...(record.samples.some(({ peers }) => peers.some(({ blobBytes }) => blobBytes > 0))
      ? [{ title: 'Blobs', unit: 'MiB', curves: ofPeers(record, ({ blobBytes }) => mib(blobBytes)) }]
      : []),
    { title: 'Documents saved and not yet on the shore', unit: '', curves: lagCurves(record), logarithmic: true },
    { title: 'From save to shore', unit: 'ms', curves: probeCurves(record), logarithmic: true, scattered: true },
  ];
}

/** A new process begins a new line. */
function ofProcesses({ samples }: SoakRecord, value: (process: ProcessSample) => number): Curve[] {
  return PARTS.map((name) => {
    let pid: number | undefined;
    const points = samples.flatMap(({ at, processes }): [number, number][] => {
      const process = processes.find(({ part }) => part === name);
      const isOther = process?.pid !== pid;
      pid = process?.pid;
      if (process === undefined) return [[at, NaN]];
      return isOther
        ? [
            [at, NaN],
            [at, value(process)],
          ]
        : [[at, value(process)]];
    });
    return { name, points };
  });
}

function ofPeers({ samples }: SoakRecord, value: (peer: PeerSample) => number): Curve[] {
  return PEERS.map((name) => ({
    name,
    points: samples.flatMap(({ at, peers }): [number, number][] =>
      peers.filter(({ peer }) => peer === name).map((peer) => [at, value(peer)]),
    ),
  }));
}

function lagCurves({ samples }: SoakRecord): Curve[] {
  return ROLES.map((name) => ({
    name,
    points: samples.flatMap(({ at, lags }): [number, number][] =>
      lags.filter(({ role }) => role === name).map(({ saved, onShore }) => [at, saved - onShore]),
    ),
  }));
}

function probeCurves({ probes }: SoakRecord): Curve[] {
  return ROLES.map((name) => ({
    name,
    points: probes
      .filter(({ role, to }) => role === name && to === 'shore')
      .map(({ at, milliseconds }): [number, number] => [at, milliseconds]),
  }));
}
