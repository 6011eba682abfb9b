/**
 * The edit that turns one text into another, as the text of a delta writes it (specification 7.3): `<n>=` keeps bytes,
 * `<n>-` drops them, `<n>+<bytes>|` inserts them. Finds the shortest edit (Myers, "An O(ND) Difference Algorithm", 1986)
 * where that is cheap; beyond its bounds everything between the first and the last difference is replaced.
 */
import { utf8Length } from '../base/index.js';

/** How many characters may still be compared; counted down. Texts of a hostile peer must not keep us busy. */
export interface DiffBudget {
  steps: number;
}

/** The edit, or `undefined` where the new text itself is as good. */
export function textOps(oldText: string, newText: string, budget: DiffBudget): string | undefined {
  const size = utf8Length(newText);
  if (size < MIN_TEXT_BYTES) return undefined;
  const prefix = commonPrefix(oldText, newText);
  const suffix = commonSuffix(oldText, newText, prefix);
  const before = new Characters(oldText.slice(prefix, oldText.length - suffix));
  const after = new Characters(newText.slice(prefix, newText.length - suffix));
  const edits = merged(gaps(commonRuns(before.points, after.points, budget), before, after), before);

  let ops = '';
  let kept = utf8Length(oldText.slice(0, prefix));
  let at = 0;
  for (const edit of edits) {
    kept += before.bytes(at, edit.from);
    at = edit.to;
    if (kept > 0) ops += `${kept}=`;
    kept = 0;
    if (edit.removed > 0) ops += `${edit.removed}-`;
    if (edit.inserted > 0) ops += `${edit.inserted}+${after.text(edit.newFrom, edit.newTo)}|`;
  }
  kept += before.bytes(at, before.points.length) + utf8Length(oldText.slice(oldText.length - suffix));
  if (kept > 0) ops += `${kept}=`;
  return utf8Length(ops) + OVERHEAD >= size ? undefined : ops;
}

/** A text as whole characters, so that no edit can split one. */
class Characters {
  readonly points: Uint32Array;

  constructor(text: string) {
    const points = new Uint32Array(text.length);
    let length = 0;
    for (const character of text) points[length++] = character.codePointAt(0) ?? 0;
    this.points = points.subarray(0, length);
  }

  /** UTF-8 bytes of the characters from `from` to before `to`. */
  bytes(from: number, to: number): number {
    let bytes = 0;
    for (let at = from; at < to; at++) {
      const point = this.points[at] ?? 0;
      bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    }
    return bytes;
  }

  text(from: number, to: number): string {
    let text = '';
    for (let at = from; at < to; at += CHUNK) {
      text += String.fromCodePoint(...this.points.subarray(at, Math.min(at + CHUNK, to)));
    }
    return text;
  }
}

/** Characters `from` to before `to` become those of the new text from `newFrom` to before `newTo`; sizes in bytes. */
interface Edit {
  readonly from: number;
  readonly to: number;
  readonly newFrom: number;
  readonly newTo: number;
  readonly removed: number;
  readonly inserted: number;
}

/** `length` characters that are the same in both. */
interface Run {
  readonly oldAt: number;
  readonly newAt: number;
  readonly length: number;
}

/** What lies between the runs. */
function gaps(runs: readonly Run[], before: Characters, after: Characters): Edit[] {
  const edits: Edit[] = [];
  let from = 0;
  let newFrom = 0;
  for (const run of [...runs, { oldAt: before.points.length, newAt: after.points.length, length: 0 }]) {
    const { oldAt: to, newAt: newTo } = run;
    if (to > from || newTo > newFrom) {
      const removed = before.bytes(from, to);
      const inserted = after.bytes(newFrom, newTo);
      edits.push({ from, to, newFrom, newTo, removed, inserted });
    }
    from = to + run.length;
    newFrom = newTo + run.length;
  }
  return edits;
}

/** Joins neighbours where repeating the few characters between them takes no more bytes than counting them. */
function merged(edits: readonly Edit[], before: Characters): Edit[] {
  const result: Edit[] = [];
  for (const edit of edits) {
    const last = result.at(-1);
    if (last !== undefined) {
      const between = before.bytes(last.to, edit.from);
      const joined: Edit = {
        ...{ from: last.from, to: edit.to, newFrom: last.newFrom, newTo: edit.newTo },
        removed: last.removed + between + edit.removed,
        inserted: last.inserted + between + edit.inserted,
      };
      if (cost(joined) <= cost(last) + digits(between) + 1 + cost(edit)) {
        result[result.length - 1] = joined;
        continue;
      }
    }
    result.push(edit);
  }
  return result;
}

function cost({ removed, inserted }: Edit): number {
  return (removed > 0 ? digits(removed) + 1 : 0) + (inserted > 0 ? digits(inserted) + 2 + inserted : 0);
}

function digits(count: number): number {
  return String(count).length;
}

/** The runs of a shortest edit in order; none where finding it would take more than the bounds. */
function commonRuns(a: Uint32Array, b: Uint32Array, budget: DiffBudget): Run[] {
  if (budget.steps < 0) return [];
  const limit = Math.min(a.length + b.length, MAX_EDITS);
  /** For each diagonal, oldAt − newAt + limit + 1, how far the edits made so far can reach along it. */
  const reach = new Int32Array(2 * limit + 3);
  const centre = limit + 1;
  const history: Int32Array[] = [];
  for (let edits = 0; edits <= limit; edits++) {
    history.push(reach.slice(centre - edits - 1, centre + edits + 2));
    // Beyond these diagonals lies neither text.
    const lowest = edits <= b.length ? -edits : edits - 2 * b.length;
    const highest = edits <= a.length ? edits : 2 * a.length - edits;
    for (let diagonal = lowest; diagonal <= highest; diagonal += 2) {
      const start = furthest(reach, centre, diagonal, edits);
      let at = start;
      while (at < a.length && at - diagonal < b.length && a[at] === b[at - diagonal]) at++;
      reach[centre + diagonal] = at;
      budget.steps -= 1 + at - start;
      if (at >= a.length && at - diagonal >= b.length) return retrace(history, a.length, b.length);
    }
    if (budget.steps < 0) return [];
  }
  return [];
}

/** Where one more edit leads to on a diagonal: an insertion comes from the one above, a removal from the one below. */
function furthest(reach: Int32Array, centre: number, diagonal: number, edits: number): number {
  if (edits === 0) return 0;
  const above = reach[centre + diagonal + 1] ?? 0;
  const below = reach[centre + diagonal - 1] ?? 0;
  return comesFromAbove(above, below, diagonal, edits) ? above : below + 1;
}

function comesFromAbove(above: number, below: number, diagonal: number, edits: number): boolean {
  return diagonal === -edits || (diagonal !== edits && below < above);
}

function retrace(history: readonly Int32Array[], oldLength: number, newLength: number): Run[] {
  const runs: Run[] = [];
  let oldAt = oldLength;
  let newAt = newLength;
  for (let edits = history.length - 1; edits >= 0; edits--) {
    const reach = history[edits] ?? new Int32Array(0);
    const centre = edits + 1;
    const diagonal = oldAt - newAt;
    const start = furthest(reach, centre, diagonal, edits);
    if (oldAt > start) runs.push({ oldAt: start, newAt: start - diagonal, length: oldAt - start });
    if (edits === 0) break;
    const fromAbove = comesFromAbove(
      reach[centre + diagonal + 1] ?? 0,
      reach[centre + diagonal - 1] ?? 0,
      diagonal,
      edits,
    );
    oldAt = fromAbove ? start : start - 1;
    newAt = fromAbove ? start - diagonal - 1 : start - diagonal;
  }
  return runs.reverse();
}

/** UTF-16 units that both begin with, whole characters only. */
function commonPrefix(a: string, b: string): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length > 0 && isHighSurrogate(a.charCodeAt(length - 1)) ? length - 1 : length;
}

/** The same for what both end with, apart from the first `prefix` units. */
function commonSuffix(a: string, b: string, prefix: number): number {
  const limit = Math.min(a.length, b.length) - prefix;
  let length = 0;
  while (length < limit && a.charCodeAt(a.length - length - 1) === b.charCodeAt(b.length - length - 1)) length++;
  return length > 0 && isLowSurrogate(a.charCodeAt(a.length - length)) ? length - 1 : length;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** A core edits texts from this new length on, and only if that saves more than OVERHEAD (specification 7.3). */
const MIN_TEXT_BYTES = 60;
const OVERHEAD = 6;
/** Characters removed and inserted at most; the search takes the square of it in time and, times four, in bytes. */
const MAX_EDITS = 512;
/** Arguments of one call. */
const CHUNK = 4096;
