/** Figures that a few odd values do not move. */

/** NaN for nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that this share of all is not above; NaN for nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** The median slope between all pairs of points (Theil and Sen), of 300 points at the most; 0 for fewer than two. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const step = Math.ceil(points.length / 300);
  const some = points.filter((_, index) => index % step === 0);
  const slopes: number[] = [];
  for (const [index, [x, y]] of some.entries()) {
    for (const [laterX, laterY] of some.slice(index + 1)) if (laterX !== x) slopes.push((laterY - y) / (laterX - x));
  }
  return slopes.length === 0 ? 0 : median(slopes);
}
