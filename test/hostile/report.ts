/** The table of `npm run hostile`: one line for each attack. */
import type { AttackReport } from './attackers-process.js';

/** What a process of ours says of itself, since it was last asked to begin anew. */
export interface Figures {
  readonly cpuMicroseconds: number;
  readonly peakRss: number;
  readonly lagMs: number;
  readonly arrived: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly ended: Readonly<Record<string, number>>;
  readonly told: Readonly<Record<string, number>>;
}

/** A stretch of time with the same attackers. */
export interface Phase extends AttackReport {
  readonly title: string;
  readonly seconds: number;
  /** Of the honest client, both ways. */
  readonly documents: number;
  readonly listener: Figures;
  readonly honest: Figures;
}

const COLUMNS = ['docs/s', 'ratio', 'docs/CPU s', 'cores l/h/a', 'RSS MiB', 'lag ms', 'opened'] as const;
const WIDTH = 64;

export function printTitles(): void {
  console.log(
    `${'attackers'.padEnd(WIDTH)}${COLUMNS.map((title) => title.padStart(13)).join('')}  what the listener told`,
  );
}

/** Returns the ratio of the honest client's pace to the mean of its pace before and after. */
export function printRow(phase: Phase, before: Phase, after = before): number {
  const { title, seconds, listener, honest, cpuMicroseconds, tallies } = phase;
  const pace = paceOf(phase);
  const ratio = (2 * pace) / (paceOf(before) + paceOf(after));
  const cores = [listener.cpuMicroseconds, honest.cpuMicroseconds, cpuMicroseconds].map((used) =>
    (used / 1e6 / seconds).toFixed(1),
  );
  const opened = tallies.reduce((sum, [, tally]) => sum + tally.opened, 0);
  const cells = [
    pace.toFixed(0),
    ratio.toFixed(2),
    // What the listener's own work costs, whoever else wanted the processor meanwhile.
    (phase.documents / (listener.cpuMicroseconds / 1e6)).toFixed(0),
    cores.join('/'),
    (listener.peakRss / 1_048_576).toFixed(0),
    listener.lagMs.toFixed(0),
    String(opened),
  ];
  const told = opened === 0 ? '' : reasons({ ...listener.refused }, listener.ended);
  console.log(`${title.padEnd(WIDTH)}${cells.map((cell) => cell.padStart(13)).join('')}  ${told}`);
  return ratio;
}

function paceOf({ documents, seconds }: Phase): number {
  return documents / seconds;
}

/** `refused: CODE 12; let in: CODE 3, ordinary 5`, the most frequent first. */
function reasons(refused: Figures['refused'], ended: Figures['ended']): string {
  const list = (counts: Figures['refused']): string =>
    Object.entries(counts)
      .sort(([, one], [, other]) => other - one)
      .map(([code, count]) => `${code} ${count}`)
      .join(', ');
  return [
    ...(Object.keys(refused).length === 0 ? [] : [`refused: ${list(refused)}`]),
    ...(Object.keys(ended).length === 0 ? [] : [`let in: ${list(ended)}`]),
  ].join('; ');
}
