/**
 * What people see of a running demo: on a terminal a table that is redrawn in place, with what happened above it; on a
 * pipe a line for what happened and one of progress every two seconds.
 */
import type { NodeProgress, Progress } from './progress.js';
import { inHumanUnits } from './units.js';

/** One look at the demo. */
export interface Snapshot {
  readonly bridgeURL: string | undefined;
  readonly shoreURL: string | undefined;
  readonly progress: Progress;
}

export interface View {
  /** What happened; stays on the screen. */
  tell(text: string): void;
  /** Draws no more. The table stays. */
  end(): void;
}

/** What is needed of standard output. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Begins to draw what `look` returns, five times a second on a terminal. */
export function openView(screen: Screen, look: () => Snapshot): View {
  const begun = performance.now();
  const clock = (): string => `${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s  `;
  const isLive = screen.isTTY === true;
  let height = 0;

  const draw = (above = ''): void => {
    const lines = tableLines(look()).map((line) => line.slice(0, (screen.columns ?? 80) - 1));
    const erase = height === 0 ? '' : `\u001b[${height}A\u001b[J`;
    screen.write(`${erase}${above}${lines.join('\n')}\n`);
    height = lines.length;
  };
  const progress = (): void => void screen.write(`${clock()}${progressLine(look())}\n`);

  const timer = setInterval(isLive ? draw : progress, isLive ? 200 : 2_000);
  return {
    tell: (text) => (isLive ? draw(`${clock()}${text}\n`) : void screen.write(`${clock()}${text}\n`)),
    end: () => {
      clearInterval(timer);
      if (isLive) draw();
    },
  };
}

/** The table, under a blank line: who has what, and what the links between them do. */
export function tableLines({ bridgeURL, shoreURL, progress }: Snapshot): string[] {
  return [
    '',
    row('node', ['saved', 'synced', 'pending'], 'link', 'latest'),
    ...progress.nodes.map(({ role, saved, synced, link, latest }) =>
      row(
        role,
        [saved, synced, saved - synced].map(grouped),
        LINKS[link],
        latest === undefined ? '' : inHumanUnits(latest),
      ),
    ),
    listenerRow('bridge', progress.sum('synced'), bridgeURL),
    listenerRow('shore', progress.sum('landed'), shoreURL),
    ...linkLines(progress),
    ` ${progressBar(progress.sum('landed'), progress.sum('total'))}`,
  ];
}

function listenerRow(name: string, stored: number, url: string | undefined): string {
  return row(name, ['', grouped(stored), ''], url === undefined ? 'down' : 'listening', url ?? '');
}

/** Of the nodes whose medium loses, repeats or damages what it carries. */
function linkLines({ nodes }: Progress): string[] {
  const lines = nodes.flatMap(({ role, figures }) => {
    if (figures === undefined) return [];
    const { over, roundTripMs, retransmissions, goodput } = figures;
    const trip = roundTripMs === undefined ? '' : `${roundTripMs.toFixed(0)} ms`;
    const cells = [trip, grouped(retransmissions), `${(goodput / 1_000).toFixed(1)} kB/s`];
    return [linkRow(role, over, cells)];
  });
  return lines.length === 0 ? [] : [linkRow('link', 'over', ['round trip', 'repeated', 'goodput']), ...lines];
}

function linkRow(name: string, over: string, cells: readonly string[]): string {
  return ` ${name.padEnd(11)}${over.padEnd(8)}${cells.map((cell) => cell.padStart(12)).join('')}`;
}

/** The same in a line. */
export function progressLine({ bridgeURL, progress }: Snapshot): string {
  const [saved, synced, total] = [progress.sum('saved'), progress.sum('synced'), progress.sum('total')];
  const counts = `saved ${grouped(saved)} of ${grouped(total)}, synced ${grouped(synced)}, pending ${grouped(saved - synced)}`;
  const latest = progress.nodes.flatMap((node) => (node.latest === undefined ? [] : [inHumanUnits(node.latest)]));
  const ashore = `${grouped(progress.sum('landed'))} on the shore`;
  const links = progress.nodes.flatMap(({ role, figures }) =>
    figures?.roundTripMs === undefined
      ? []
      : [
          `${role} over ${figures.over} ${figures.roundTripMs.toFixed(0)} ms, ${grouped(figures.retransmissions)} repeated`,
        ],
  );
  return [`${counts}, ${ashore}${bridgeURL === undefined ? ', bridge down' : ''}`, ...links, ...latest].join(' | ');
}

function row(name: string, numbers: readonly string[], link: string, latest: string): string {
  const columns = numbers.map((number) => number.padStart(9)).join('');
  return ` ${name.padEnd(11)}${columns}  ${link.padEnd(11)}${latest}`.trimEnd();
}

function progressBar(done: number, total: number): string {
  const share = total === 0 ? 0 : done / total;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}`;
  return `[${bar}] ${Math.floor(share * 100)} % of ${grouped(total)} on the shore`;
}

function grouped(number: number): string {
  return number.toLocaleString('en');
}

const LINKS: Readonly<Record<NodeProgress['link'], string>> = {
  stopped: 'stopped',
  offline: 'offline',
  connecting: 'connecting',
  idle: 'connected',
  busy: 'syncing',
};
const BAR_WIDTH = 40;
