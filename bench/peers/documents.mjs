/** The documents that every peer of the comparison carries, and the check that they arrived whole. */
import { isDeepStrictEqual } from 'node:util';
import { metric } from '../documents.mjs';

/** The ID of the document that changes in one field. */
export const ENGINE = 'engine';

/** The readings from `first` on, in groups of at most `size`. */
export function* metricGroups({ first = 0, count }, size) {
  for (let start = first; start < first + count; start += size) {
    const length = Math.min(size, first + count - start);
    yield Array.from({ length }, (_, offset) => metric(start + offset));
  }
}

/** About 2 KB of JSON, of which only `rpm` ever changes. */
export function engine(rpm) {
  const cylinders = Array.from({ length: 24 }, (_, index) => ({
    cylinder: index + 1,
    exhaustTemperature: 650 + ((index * 37) % 41),
    injectionPressure: 158_300 + index * 97,
  }));
  return { type: 'engine', serial: 'MX-2231-77', rpm, cylinders };
}

/** Throws unless the entries, pairs of ID and body in any order, are the first `count` readings and nothing else. */
export function checkMetrics(entries, count) {
  const found = new Map(entries);
  if (found.size !== count) throw new Error(`${found.size} of ${count} documents can be read`);
  for (let index = 0; index < count; index++) {
    const [id, body] = metric(index);
    if (!isDeepStrictEqual(found.get(id), body)) throw new Error(`${id} is not what was sent`);
  }
}
