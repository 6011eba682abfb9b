/** Pairs of documents for tests of deltas: one made of the other by small changes, or two that have nothing in common. */
import { parseJsonObject, type JsonValue, type RandomSource } from '../../src/base/index.js';
import { looseText, pick, randomDocument, randomInteger, randomText, randomValue } from '../base/random-json.js';

type JsonObject = { [key: string]: JsonValue };

/** The texts of two bodies, with white space, escapes and forms of numbers as chance has it. */
export function randomPair(random: RandomSource): [oldBody: string, newBody: string] {
  const before = richDocument(random);
  const after = random.next() < 0.1 ? richDocument(random) : changed(before, random);
  return [spelled(before, random), spelled(after, random)];
}

/** With a text long enough to be edited and an array long enough to be patched. */
function richDocument(random: RandomSource): JsonObject {
  const document = randomDocument(random);
  if (random.next() < 0.5) set(document, 'text', longText(random));
  if (random.next() < 0.5) set(document, 'list', randomList(random));
  if (random.next() < 0.1) set(document, '3-', pick<JsonValue>(random, [[], [1], {}, null]));
  return document;
}

function changed(document: JsonObject, random: RandomSource): JsonObject {
  // A copy of its own: parsing keeps every value, bigints included, and __proto__ a key.
  const copy = parseJsonObject(looseText(document, random));
  for (let edits = randomInteger(random, 4); edits >= 0; edits--) changeObject(copy, random);
  return copy;
}

function changeObject(object: JsonObject, random: RandomSource): void {
  const key = pick(random, ['new', '__proto__', '0-', ...Object.keys(object)]);
  const kind = random.next();
  if (kind < 0.15) delete object[key];
  else set(object, key, Object.hasOwn(object, key) ? changedValue(own(object, key), random) : randomValue(random, 2));
}

function changedValue(value: JsonValue, random: RandomSource): JsonValue {
  if (random.next() < 0.15) return pick<JsonValue>(random, [null, [], {}, '', 0, -0, [[]], 1, 1n << 63n]);
  if (typeof value === 'string') return editedText(value, random);
  if (typeof value === 'number' && random.next() < 0.5) return value + 1;
  if (Array.isArray(value)) return changedList(value, random);
  if (typeof value === 'object' && value !== null) {
    changeObject(value, random);
    return value;
  }
  return randomValue(random, 2);
}

function changedList(list: JsonValue[], random: RandomSource): JsonValue[] {
  const at = randomInteger(random, list.length + 1);
  const kind = random.next();
  if (kind < 0.25) list.length = at;
  else if (kind < 0.5) list.push(...randomList(random));
  else if (kind < 0.6) list.splice(at, 1);
  else if (at < list.length) list[at] = changedValue(list[at] ?? null, random);
  return list;
}

function editedText(text: string, random: RandomSource): string {
  let characters = Array.from(text);
  for (let edits = randomInteger(random, 4); edits >= 0; edits--) {
    const at = randomInteger(random, characters.length + 1);
    const removed = randomInteger(random, 12);
    const inserted = Array.from(randomText(random, randomInteger(random, 12)));
    characters = [...characters.slice(0, at), ...inserted, ...characters.slice(at + removed)];
  }
  return characters.join('');
}

/** Half of them of few different characters, where there are many ways to see a difference. */
function longText(random: RandomSource): string {
  const length = 40 + randomInteger(random, 200);
  if (random.next() < 0.5) return randomText(random, length);
  return Array.from({ length }, () => pick(random, ['a', 'b', 'ä', '😀', '😁', '€', '|', '"', '\\'])).join('');
}

function randomList(random: RandomSource): JsonValue[] {
  return Array.from({ length: randomInteger(random, 14) }, () => randomValue(random, 2));
}

function own(object: JsonObject, key: string): JsonValue {
  return (Object.getOwnPropertyDescriptor(object, key)?.value as JsonValue | undefined) ?? null;
}

/** An assignment to __proto__ would add no property. */
function set(object: JsonObject, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function spelled(document: JsonObject, random: RandomSource): string {
  return random.next() < 0.5 ? looseText(document, random) : looseText(document, PLAIN);
}

/** Chooses the first of everything: no white space, no needless escapes. */
const PLAIN: RandomSource = { next: () => 0, bytes: (length) => new Uint8Array(length) };
