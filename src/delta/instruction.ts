/** What a delta says about one place of a body (specification 7.3), taken from its text and checked for its form. */
import { HawserError } from '../errors.js';
import { OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../base/index.js';
import type { JsonTape } from './json-tape.js';

export type Instruction =
  /** Something inside the value changes: the entry is an object of further deltas. */
  | { readonly kind: 'inside' }
  /** The value becomes that of `entry`; `inserts` if there need not have been one. */
  | { readonly kind: 'value'; readonly entry: number; readonly inserts: boolean }
  | { readonly kind: 'delete' }
  | { readonly kind: 'text'; readonly ops: string };

/** @throws HawserError `DELTA_INVALID` for an array that is none of the known instructions */
export function readInstruction(delta: JsonTape, entry: number): Instruction {
  const unit = delta.unit(entry);
  if (unit === OPEN_BRACE) return { kind: 'inside' };
  if (unit !== OPEN_BRACKET) return { kind: 'value', entry, inserts: true };

  const [first, second, third, fourth] = firstItems(delta, entry);
  if (first === undefined) return { kind: 'delete' };
  if (second === undefined) return { kind: 'value', entry: first, inserts: true };
  if (third === undefined) return { kind: 'value', entry: second, inserts: false };
  const code = delta.slice(third);
  if (fourth === undefined && code === DELETE) return { kind: 'delete' };
  if (fourth === undefined && code === EDIT_TEXT && delta.unit(first) === QUOTE) {
    return { kind: 'text', ops: delta.stringValue(first) };
  }
  return misfit(delta, entry, 'an unknown instruction');
}

/** How a delta changes an array, in the order of the array. */
export interface ArrayDelta {
  readonly changes: readonly ItemChange[];
  /** What takes the place of the item at `index` and all behind it: an array. */
  readonly remainder: ItemChange | undefined;
}

export interface ItemChange {
  readonly index: number;
  readonly entry: number;
}

/** @throws HawserError `DELTA_INVALID` for keys that are no indexes or contradict each other, and a remainder that is no array */
export function readArrayDelta(delta: JsonTape, object: number): ArrayDelta {
  const changes: ItemChange[] = [];
  let remainder: ItemChange | undefined;
  for (const [key, entry] of membersOf(delta, object)) {
    const match = ARRAY_KEY.exec(key);
    if (match === null) return misfit(delta, entry - 1, 'a key that is no index of an array');
    const change = { index: Number(match[1]), entry };
    if (match[2] === undefined) changes.push(change);
    else if (remainder !== undefined) return misfit(delta, entry - 1, 'a second remainder of an array');
    else if (delta.unit(entry) !== OPEN_BRACKET) return misfit(delta, entry, 'a remainder that is no array');
    else remainder = change;
  }
  changes.sort((a, b) => a.index - b.index);
  const last = changes.at(-1);
  if (last !== undefined && remainder !== undefined && last.index >= remainder.index) {
    return misfit(delta, last.entry - 1, 'a change to an item that the remainder replaces');
  }
  return { changes, remainder };
}

/** The values of an object of deltas by their keys. @throws HawserError `DELTA_INVALID` for a repeated key */
export function membersOf(delta: JsonTape, object: number): Map<string, number> {
  const members = new Map<string, number>();
  const end = delta.after(object);
  for (let key = object + 1; key < end; key = delta.after(key + 1)) {
    const name = delta.stringValue(key);
    if (members.has(name)) return misfit(delta, key, 'a repeated key');
    members.set(name, key + 1);
  }
  return members;
}

export function misfit(delta: JsonTape, entry: number, what: string): never {
  throw new HawserError('DELTA_INVALID', `the delta holds ${what} at position ${delta.start(entry)}`);
}

/** The items of an array, as many of them as an instruction could have and one more. */
function firstItems(delta: JsonTape, array: number): number[] {
  const items: number[] = [];
  const end = delta.after(array);
  for (let item = array + 1; item < end && items.length < 4; item = delta.after(item)) items.push(item);
  return items;
}

const DELETE = '0';
const EDIT_TEXT = '2';
const ARRAY_KEY = /^(0|[1-9][0-9]*)(-)?$/;
