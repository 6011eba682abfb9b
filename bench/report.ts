/** What a benchmark has measured, as tables to be read and as one line of JSON for programs. */
import { cpus } from 'node:os';
import { spread, type Spread } from './figures.js';

/** The figures of one run, by the titles of their columns. */
export type Figures = Readonly<Record<string, number>>;

/** What the median of a figure is to be. */
export interface Goal {
  readonly sign: '≥' | '≤' | '<';
  readonly value: number;
}

export const atLeast = (value: number): Goal => ({ sign: '≥', value });
export const atMost = (value: number): Goal => ({ sign: '≤', value });
export const below = (value: number): Goal => ({ sign: '<', value });

export interface Row {
  readonly title: string;
  /** One entry for each run. */
  readonly runs: readonly Figures[];
  /** By the titles of columns. */
  readonly toReach?: Readonly<Record<string, Goal>>;
}

export class Report {
  readonly #name: string;
  readonly #runs: number;
  readonly #rows: object[] = [];

  constructor(name: string, runs: number) {
    this.#name = name;
    this.#runs = runs;
  }

  /**
   * Prints rows with all their columns, in the order in which they first appear. Under each median stands the minimum and the
   * maximum, under those what is to be reached; a median that misses it is marked ✘.
   */
  table(title: string, rows: readonly Row[]): void {
    const columns = [...new Set(rows.flatMap(({ runs }) => runs.flatMap(Object.keys)))];
    const lines = [[title, ...columns]];
    for (const row of rows) {
      const spreads = spreadsOf(row);
      lines.push([row.title, ...columns.map((column) => medianText(spreads[column], row.toReach?.[column]))]);
      if (row.runs.length > 1) lines.push(['', ...columns.map((column) => rangeText(spreads[column]))]);
      if (row.toReach !== undefined) {
        lines.push(['  to reach', ...columns.map((column) => goalText(row.toReach?.[column]))]);
      }
      const { title: name, toReach } = row;
      this.#rows.push({ table: title, title: name, figures: spreads, ...(toReach && { toReach }) });
    }
    console.log(`\n${aligned(lines)}`);
  }

  /** A remark that belongs to the figures. */
  say(text: string): void {
    console.log(text);
  }

  /** Prints everything that was in a table as one line. */
  end(): void {
    const { version: node, arch } = process;
    const date = new Date().toISOString();
    const everything = { name: this.#name, node, arch, cpus: cpuText(), date, runs: this.#runs, rows: this.#rows };
    console.log(
      JSON.stringify(everything, (_, value: unknown) => (typeof value === 'number' ? shortened(value) : value)),
    );
  }
}

export function cpuText(): string {
  const models = cpus();
  return `${models.length} × ${models[0]?.model ?? 'unknown'}`;
}

/** More digits than are noise. */
function shortened(value: number): number {
  return Number(value.toPrecision(5));
}

/** Three digits where there are that many, and thousands set apart. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function spreadsOf({ runs }: Row): Readonly<Record<string, Spread>> {
  const columns = [...new Set(runs.flatMap(Object.keys))];
  return Object.fromEntries(
    columns.map((column) => [column, spread(runs.flatMap((figures) => figures[column] ?? []))]),
  );
}

function medianText(spread: Spread | undefined, goal: Goal | undefined): string {
  if (spread === undefined) return '';
  return `${numberText(spread.median)}${goal === undefined || isReached(spread.median, goal) ? '' : ' ✘'}`;
}

function rangeText(spread: Spread | undefined): string {
  return spread === undefined ? '' : `${numberText(spread.minimum)}–${numberText(spread.maximum)}`;
}

function goalText(goal: Goal | undefined): string {
  return goal === undefined ? '' : `${goal.sign} ${numberText(goal.value)}`;
}

function isReached(value: number, { sign, value: bound }: Goal): boolean {
  if (sign === '≥') return value >= bound;
  return sign === '≤' ? value <= bound : value < bound;
}

/** Titles to the left, figures to the right. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}
