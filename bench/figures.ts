/** Several runs of a measurement, and what is said of them. */

export interface Spread {
  readonly minimum: number;
  readonly median: number;
  readonly maximum: number;
}

export function spread(values: readonly number[]): Spread {
  return { minimum: Math.min(...values), median: median(values), maximum: Math.max(...values) };
}

/** Of an even number of values the lower one of the two in the middle: a figure that was measured. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The smallest value that so many per cent of all do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}

export async function repeated<T>(runs: number, measure: (run: number) => Promise<T>): Promise<T[]> {
  const measured: T[] = [];
  for (let run = 0; run < runs; run++) measured.push(await measure(run));
  return measured;
}

/**
 * Measures everything once a round, so that what slows the machine down for a while slows all of it down.
 * @returns the runs of each measurement, in its order
 */
export async function interleaved<T>(rounds: number, measurements: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const measured: T[][] = measurements.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, measure] of measurements.entries()) measured[index]?.push(await measure());
  }
  return measured;
}
