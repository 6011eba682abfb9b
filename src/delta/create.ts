/** Makes the delta between two bodies, by the rules of a Couchbase Lite core (specification 7.3). */
import { isNumberStart, canonicalNumber, MAX_DOCUMENT_DEPTH, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../base/index.js';
import { JsonTape } from './json-tape.js';
import { textOps, type DiffBudget } from './text-diff.js';

/**
 * The JSON text of the delta that turns `oldBody` into `newBody`; both are JSON texts of objects. Always succeeds; whether
 * it is worth sending is the caller's decision. Values that are equal in the canonical text of documents (`1e2` and
 * `100.0`, but not `1` and `1.0`) count as unchanged.
 *
 * @throws HawserError `DOCUMENT_BODY_INVALID` for what is not JSON
 */
export function createDelta(oldBody: string, newBody: string): string {
  return new Comparison(new JsonTape(oldBody), new JsonTape(newBody)).delta(0, 0, 1) ?? '{}';
}

class Comparison {
  readonly #old: JsonTape;
  readonly #new: JsonTape;
  readonly #budget: DiffBudget = { steps: MAX_DIFF_STEPS };

  constructor(oldTape: JsonTape, newTape: JsonTape) {
    this.#old = oldTape;
    this.#new = newTape;
  }

  /**
   * The delta between two values, `undefined` if they are equal.
   *
   * @param level how many containers are open with these two; below the depth of documents, values are replaced whole
   */
  delta(oldEntry: number, newEntry: number, level: number): string | undefined {
    const oldText = this.#old.slice(oldEntry);
    const newText = this.#new.slice(newEntry);
    if (oldText === newText) return undefined;
    const oldUnit = this.#old.unit(oldEntry);
    const newUnit = this.#new.unit(newEntry);
    if (isNumberStart(oldUnit) && isNumberStart(newUnit) && sameNumber(oldText, newText)) return undefined;
    if (oldUnit === newUnit) {
      if (newUnit === QUOTE) return this.#string(oldEntry, newEntry);
      if (newUnit === OPEN_BRACE && level <= MAX_DOCUMENT_DEPTH) return this.#object(oldEntry, newEntry, level);
      if (newUnit === OPEN_BRACKET && level <= MAX_DOCUMENT_DEPTH) return this.#array(oldEntry, newEntry, level);
    }
    return replacement(this.#new, newEntry);
  }

  #object(oldEntry: number, newEntry: number, level: number): string | undefined {
    const oldValues = membersOf(this.#old, oldEntry);
    const newValues = membersOf(this.#new, newEntry);
    const parts = new Members(this.#new, newEntry);
    for (const [key, newValue] of newValues) {
      const oldValue = oldValues.get(key);
      const delta =
        oldValue === undefined ? replacement(this.#new, newValue) : this.delta(oldValue, newValue, level + 1);
      if (delta !== undefined && !parts.add(JSON.stringify(key), delta)) break;
    }
    for (const key of oldValues.keys()) {
      if (!newValues.has(key) && !parts.add(JSON.stringify(key), '[]')) break;
    }
    return parts.delta();
  }

  #array(oldEntry: number, newEntry: number, level: number): string | undefined {
    const oldIsEmpty = this.#old.isEmpty(oldEntry);
    const newIsEmpty = this.#new.isEmpty(newEntry);
    if (oldIsEmpty && newIsEmpty) return undefined;
    if (oldIsEmpty || newIsEmpty) return replacement(this.#new, newEntry);

    const parts = new Members(this.#new, newEntry);
    const oldEnd = this.#old.after(oldEntry);
    const newEnd = this.#new.after(newEntry);
    let oldItem = oldEntry + 1;
    let newItem = newEntry + 1;
    let index = 0;
    for (; oldItem < oldEnd && newItem < newEnd; index++) {
      const delta = this.delta(oldItem, newItem, level + 1);
      if (delta !== undefined && !parts.add(`"${index}"`, delta)) break;
      oldItem = this.#old.after(oldItem);
      newItem = this.#new.after(newItem);
    }
    if (newItem < newEnd) {
      const rest = this.#new.text.slice(this.#new.start(newItem), this.#new.end(newEntry));
      parts.add(`"${index}-"`, `[${rest}`);
    } else if (oldItem < oldEnd) {
      parts.add(`"${index}-"`, '[]');
    }
    return parts.delta();
  }

  #string(oldEntry: number, newEntry: number): string | undefined {
    const oldValue = this.#old.stringValue(oldEntry);
    const newValue = this.#new.stringValue(newEntry);
    if (oldValue === newValue) return undefined;
    const ops = textOps(oldValue, newValue, this.#budget);
    return ops === undefined ? replacement(this.#new, newEntry) : `[${JSON.stringify(ops)},0,2]`;
  }
}

/** Collects the delta of a container, as long as that is not much longer than the container itself. */
class Members {
  readonly #tape: JsonTape;
  readonly #container: number;
  readonly #parts: string[] = [];
  #room: number;

  constructor(tape: JsonTape, container: number) {
    this.#tape = tape;
    this.#container = container;
    this.#room = tape.end(container) - tape.start(container) + MAX_EXCESS;
  }

  /** False once the container had better be replaced whole. */
  add(key: string, delta: string): boolean {
    this.#room -= key.length + delta.length + 2;
    if (this.#room >= 0) this.#parts.push(`${key}:${delta}`);
    return this.#room >= 0;
  }

  delta(): string | undefined {
    if (this.#room < 0) return replacement(this.#tape, this.#container);
    return this.#parts.length === 0 ? undefined : `{${this.#parts.join(',')}}`;
  }
}

/** The values by their keys; the last of a repeated one, as everywhere in JavaScript. */
function membersOf(tape: JsonTape, object: number): Map<string, number> {
  const members = new Map<string, number>();
  const end = tape.after(object);
  for (let key = object + 1; key < end; key = tape.after(key + 1)) members.set(tape.stringValue(key), key + 1);
  return members;
}

/** An object would be taken for a delta and an array for an instruction: both are wrapped. */
function replacement(tape: JsonTape, entry: number): string {
  const text = tape.slice(entry);
  const unit = tape.unit(entry);
  return unit === OPEN_BRACE || unit === OPEN_BRACKET ? `[${text}]` : text;
}

function sameNumber(a: string, b: string): boolean {
  // What no double can hold has no canonical text: such numbers are equal only if their texts are.
  if (!Number.isFinite(Number(a)) || !Number.isFinite(Number(b))) return false;
  return canonicalNumber(a, !FRACTION.test(a)) === canonicalNumber(b, !FRACTION.test(b));
}

const FRACTION = /[.eE]/;
/** Comparisons of characters for all texts of a document together: some tens of milliseconds. */
const MAX_DIFF_STEPS = 4_000_000;
/** Up to this many characters more than the value itself: a core has no such rule, so small deltas are as it makes them. */
const MAX_EXCESS = 1024;
