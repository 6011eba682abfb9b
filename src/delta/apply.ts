/** Applies a delta to the body it was made for (specification 7.3 and 0.4.20). */
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, OPEN_BRACE, OPEN_BRACKET, QUOTE, utf8Length } from '../base/index.js';
import { HawserError } from '../errors.js';
import { membersOf, misfit, readArrayDelta, readInstruction } from './instruction.js';
import { JsonTape } from './json-tape.js';
import { editText } from './text-edit.js';

/** What the resulting body may be. */
export interface DeltaLimits {
  /** Bytes of UTF-8, default `MAX_DOCUMENT_BYTES`. */
  readonly maxBytes?: number;
  /** Objects and arrays open at once, default `MAX_DOCUMENT_DEPTH`; must stay far below the depth of the program's stack. */
  readonly maxDepth?: number;
}

/**
 * The JSON text of the body that `delta` makes of `oldBody`. What the delta does not mention keeps its text, character for
 * character. The result still has to pass `checkBody`: of what a delta inserts it is only known that it is JSON.
 *
 * @param oldBody JSON text of an object that repeats no key
 * @throws HawserError `DELTA_INVALID` for a delta that is not JSON, does not fit, or whose result would exceed `limits`
 */
export function applyDelta(oldBody: string, delta: string, limits: DeltaLimits = {}): string {
  const { maxBytes = MAX_DOCUMENT_BYTES, maxDepth = MAX_DOCUMENT_DEPTH } = limits;
  const old = new JsonTape(oldBody);
  const tape = readDelta(delta);
  // Inserted values stand in an array that is not part of the result, whence the one.
  if (old.depth > maxDepth || tape.depth > maxDepth + 1) {
    throw new HawserError(
      'DELTA_INVALID',
      `the delta makes a body of more than ${maxDepth} objects and arrays inside each other`,
    );
  }
  return new Patch(old, tape, maxBytes).body();
}

function readDelta(delta: string): JsonTape {
  try {
    return new JsonTape(delta);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HawserError('DELTA_INVALID', `the delta cannot be read: ${reason}`, { cause });
  }
}

/** Goes through the old body once, from front to back, and copies what lies between the changes. */
class Patch {
  readonly #old: JsonTape;
  readonly #delta: JsonTape;
  readonly #maxBytes: number;
  readonly #pieces: string[] = [];
  #bytes = 0;
  /** The old text before this index has been copied or left out. */
  #done = 0;

  constructor(old: JsonTape, delta: JsonTape, maxBytes: number) {
    this.#old = old;
    this.#delta = delta;
    this.#maxBytes = maxBytes;
  }

  body(): string {
    const whole = readInstruction(this.#delta, 0);
    const isObject =
      whole.kind === 'inside' || (whole.kind === 'value' && this.#delta.unit(whole.entry) === OPEN_BRACE);
    if (!isObject) misfit(this.#delta, 0, 'a body that is no object');
    this.#value(0, 0);
    this.#put(this.#old.text.slice(this.#done));
    return this.#pieces.join('');
  }

  /** @param old the value that is there and stays or is replaced */
  #value(old: number, delta: number): void {
    const instruction = readInstruction(this.#delta, delta);
    switch (instruction.kind) {
      case 'inside': {
        const unit = this.#old.unit(old);
        if (unit === OPEN_BRACE) this.#object(old, delta);
        else if (unit === OPEN_BRACKET) this.#array(old, delta);
        else if (!this.#delta.isEmpty(delta)) misfit(this.#delta, delta, 'changes inside a value that has no inside');
        return;
      }
      case 'value':
        this.#replace(this.#old.start(old), this.#old.end(old), this.#delta.slice(instruction.entry));
        return;
      case 'text':
        this.#replace(this.#old.start(old), this.#old.end(old), this.#edited(old, delta, instruction.ops));
        return;
      case 'delete':
        misfit(this.#delta, delta, 'a deletion of what cannot be deleted');
    }
  }

  #object(object: number, delta: number): void {
    const old = this.#old;
    const changes = membersOf(this.#delta, delta);
    const end = old.after(object);
    let previousEnd = 0;
    let hasMembers = false;
    for (let key = object + 1; key < end; key = old.after(key + 1)) {
      const name = old.stringValue(key);
      const change = changes.get(name);
      const valueEnd = old.end(key + 1);
      if (change === undefined) {
        hasMembers = true;
      } else {
        changes.delete(name);
        if (readInstruction(this.#delta, change).kind !== 'delete') {
          this.#value(key + 1, change);
          hasMembers = true;
        } else if (hasMembers) {
          this.#replace(previousEnd, valueEnd, '');
        } else {
          // Nothing stands before it any more, so it is the comma behind it that goes.
          const next = old.after(key + 1);
          this.#replace(old.start(key), next < end ? old.start(next) : valueEnd, '');
        }
      }
      previousEnd = valueEnd;
    }
    const close = old.end(object) - 1;
    for (const [name, change] of changes) {
      this.#replace(close, close, `${hasMembers ? ',' : ''}${JSON.stringify(name)}:${this.#inserted(change)}`);
      hasMembers = true;
    }
  }

  #inserted(delta: number): string {
    const instruction = readInstruction(this.#delta, delta);
    if (instruction.kind === 'value' && instruction.inserts) return this.#delta.slice(instruction.entry);
    return misfit(this.#delta, delta, 'a change to a value that does not exist');
  }

  #array(array: number, delta: number): void {
    const old = this.#old;
    const { changes, remainder } = readArrayDelta(this.#delta, delta);
    const end = old.after(array);
    let index = 0;
    let item = array + 1;
    // Past the end of the array a core ignores both kinds of keys without a word, so that is what they mean.
    for (const change of changes) {
      for (; index < change.index && item < end; index++) item = old.after(item);
      if (item >= end) return;
      this.#value(item, change.entry);
    }
    if (remainder === undefined) return;
    for (; index < remainder.index && item < end; index++) item = old.after(item);
    if (index < remainder.index) return;

    const close = old.end(array) - 1;
    const start = item < end ? old.start(item) : close;
    const values = this.#delta.slice(remainder.entry).slice(1, -1);
    if (index === 0) this.#replace(start, close, values);
    else if (item >= end) this.#replace(close, close, this.#delta.isEmpty(remainder.entry) ? '' : `,${values}`);
    else if (this.#delta.isEmpty(remainder.entry)) this.#replace(old.text.lastIndexOf(',', start), close, '');
    else this.#replace(start, close, values);
  }

  #edited(old: number, delta: number, ops: string): string {
    if (this.#old.unit(old) !== QUOTE) misfit(this.#delta, delta, 'an edit of a text where there is none');
    const edited = editText(this.#old.stringValue(old), ops);
    if (edited.wrong !== undefined) return misfit(this.#delta, delta, edited.wrong);
    return JSON.stringify(edited.text);
  }

  /** Puts `text` in the place of the old text between `start` and `end`; places come in the order of the old text. */
  #replace(start: number, end: number, text: string): void {
    this.#put(this.#old.text.slice(this.#done, start));
    this.#put(text);
    this.#done = end;
  }

  #put(text: string): void {
    if (text === '') return;
    this.#bytes += utf8Length(text);
    if (this.#bytes > this.#maxBytes) {
      throw new HawserError('DELTA_INVALID', `the delta makes a body of more than ${this.#maxBytes} bytes`);
    }
    this.#pieces.push(text);
  }
}
