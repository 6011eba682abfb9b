import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalJson,
  checkBody,
  parseJson,
  seededRandom,
  withoutReservedKeys,
  writeBody,
  type RandomSource,
} from '../../src/base/index.js';
import { effort } from '../support/effort.js';
import { looseText, pick, randomDocument, randomInteger, randomValue } from './random-json.js';

const LIMITS = { maxDepth: 100, maxBytes: 1_000_000 };
const ROUNDS = effort(20_000);
const SEED = 20_240_501;

test(`reads back ${ROUNDS} random documents as they were written, and their text is canonical`, () => {
  const random = seededRandom(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const document = randomDocument(random);
    const text = writeBody(document, LIMITS);
    const where = `seed ${SEED}, round ${round}: ${text}`;
    assert.deepStrictEqual(parseJson(text), document, where);
    assert.equal(canonicalJson(text), text, where);
    assert.equal(checkBody(text, LIMITS).reservedKeys, false, where);
  }
});

test('finds one canonical text for all texts of a document, and reads them alike', () => {
  const random = seededRandom(SEED + 1);
  for (let round = 0; round < 5000; round++) {
    const document = randomDocument(random);
    const text = looseText(document, random);
    const where = `seed ${SEED + 1}, round ${round}: ${text}`;
    // Texts of integers beyond 2^53 stay integers, so a number that is not safe is written as a double there.
    assert.equal(canonicalJson(text), writeBody(document, LIMITS), where);
    assert.deepStrictEqual(parseJson(text), document, where);
    assert.deepStrictEqual(parseJson(`[9007199254740993,${text}]`), [9007199254740993n, document], where);
  }
});

test('removes nothing but reserved members', () => {
  const random = seededRandom(SEED + 2);
  for (let round = 0; round < 5000; round++) {
    const document = { ...randomDocument(random), _id: 1, _x: randomValue(random, 2) };
    const text = withoutReservedKeys(looseText(document, random));
    const expected = Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('_')));
    assert.deepStrictEqual(parseJson(text), expected, `seed ${SEED + 2}, round ${round}`);
  }
});

test(`accepts and refuses ${ROUNDS} damaged texts as JSON.parse does, apart from the rules of documents`, () => {
  const random = seededRandom(SEED + 3);
  let accepted = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const text = damage(looseText(randomDocument(random), random), random);
    const where = `seed ${SEED + 3}, round ${round}: ${JSON.stringify(text)}`;
    const native = outcome(() => JSON.parse(text) as unknown);
    const tokens = native.ok ? tokensOf(text) : [];
    const isFinite = tokens.every((token) => !/^[-0-9]/.test(token) || Number.isFinite(Number(token)));

    const parsed = outcome(() => parseJson(text));
    assert.equal(parsed.ok, native.ok && isFinite, where);
    if (parsed.ok && !tokens.some((token) => /^-?\d{16}|^-0$/.test(token)))
      assert.deepStrictEqual(parsed.value, native.value, where);

    const checked = outcome(() => checkBody(text, { maxDepth: 4 }));
    const isDocument = native.ok && isFinite && keepsRulesOfDocuments(tokens, 4);
    assert.equal(checked.ok, isDocument, where);
    if (checked.ok) {
      accepted++;
      assert.equal(canonicalJson(canonicalJson(text)), canonicalJson(text), where);
    }
  }
  assert.ok(accepted > ROUNDS / 10 && accepted < (ROUNDS * 9) / 10, `a fair share is accepted: ${accepted}`);
});

/** One to three small edits at random places, or none. */
function damage(text: string, random: RandomSource): string {
  const edits = pick(random, [0, 1, 1, 2, 3]);
  for (let edit = 0; edit < edits; edit++) {
    const at = randomInteger(random, text.length + 1);
    const end = at + randomInteger(random, 6);
    const insert = pick(random, [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '0',
      '-',
      '1e999',
      '.',
      'e',
      ' ',
      'null',
      '\\ud800',
      '\n',
    ]);
    const inserted = text.slice(0, at) + insert + text.slice(at);
    const removed = text.slice(0, at) + text.slice(end);
    const repeated = text.slice(0, end) + text.slice(at);
    text = pick(random, [inserted, inserted, removed, repeated]);
  }
  return text;
}

/** The tokens of a text that is valid JSON. */
function tokensOf(text: string): string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
}

/** The extra rules of checkBody, told from the tokens: an object, no deeper than allowed, keys named and once, text in UTF-8. */
function keepsRulesOfDocuments(tokens: readonly string[], maxDepth: number): boolean {
  if (tokens[0] !== '{') return false;
  const open: (Set<string> | undefined)[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    if (open.length > maxDepth) return false;
    if (!token.startsWith('"')) continue;
    const value = JSON.parse(token) as string;
    if (Buffer.from(value).toString() !== value) return false;
    if (tokens[index + 1] !== ':') continue;
    const keys = open.at(-1);
    if (value === '' || keys?.has(value) === true) return false;
    keys?.add(value);
  }
  return true;
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly value?: undefined };

/** Any error but a coded one or a SyntaxError is a failure of the test. */
function outcome<T>(action: () => T): Outcome<T> {
  try {
    return { ok: true, value: action() };
  } catch (error) {
    if (error instanceof SyntaxError || (error as { code?: string }).code === 'DOCUMENT_BODY_INVALID')
      return { ok: false };
    throw error;
  }
}
