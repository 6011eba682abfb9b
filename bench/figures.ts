/** Minimum, median and maximum of several runs, and a table of them. */

export interface Spread {
  readonly minimum: number;
  readonly median: number;
  readonly maximum: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { minimum: at(0), median: at(Math.floor((sorted.length - 1) / 2)), maximum: at(sorted.length - 1) };
}

/** @param rows a title and, for each column, the values of all runs */
export function printTable(
  columns: readonly string[],
  rows: readonly { title: string; values: readonly number[][] }[],
): void {
  const cells = rows.map(({ title, values }) => [title, ...values.map((runs) => format(spread(runs)))]);
  const table = [['', ...columns], ...cells];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table) console.log(row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}

function format({ minimum, median, maximum }: Spread): string {
  const digits = median < 100 ? 1 : 0;
  const text = (value: number): string => value.toFixed(digits);
  return minimum === maximum ? text(median) : `${text(median)} (${text(minimum)}–${text(maximum)})`;
}
