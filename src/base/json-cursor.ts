/**
 * A cursor over JSON text: the grammar of RFC 8259, strictly, one token at a time. It makes no values and allocates
 * nothing; whoever reads with it slices what it needs. Every failure is one `DOCUMENT_BODY_INVALID` that names the position.
 */
import { HawserError } from '../errors.js';

export class JsonCursor {
  readonly text: string;
  /** Index of the code unit that is read next. */
  at = 0;
  /** Whether the string read last holds an escape, so that its characters are not its value. */
  escaped = false;
  /** Where the characters of the key read last begin and end, its quotes left out. */
  keyStart = 0;
  keyEnd = 0;
  /** Whether the number read last has neither a fraction nor an exponent. */
  integer = false;
  readonly #pairedSurrogates: boolean;

  /** @param pairedSurrogates refuse halves of surrogate pairs, raw or escaped: they have no UTF-8. `JSON.parse` takes them. */
  constructor(text: string, pairedSurrogates: boolean) {
    this.text = text;
    this.#pairedSurrogates = pairedSurrogates;
  }

  /** Passes white space; returns the code unit it stops at, NaN at the end of the text. */
  next(): number {
    const { text } = this;
    let unit = text.charCodeAt(this.at);
    while (unit === SPACE || unit === LINE_FEED || unit === CARRIAGE_RETURN || unit === TAB) {
      unit = text.charCodeAt(++this.at);
    }
    return unit;
  }

  /** Reads the string whose opening quote is at the cursor. */
  string(): void {
    const { text } = this;
    const start = this.at;
    this.escaped = false;
    for (let at = start + 1; ;) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.at = at + 1;
        return;
      }
      if (unit === BACKSLASH) {
        this.escaped = true;
        at = this.#escape(at);
      } else if (unit < SPACE) {
        this.fail('an unescaped control character in a string', at);
      } else if (unit >= FIRST_SURROGATE && unit <= LAST_SURROGATE && this.#pairedSurrogates) {
        if (unit >= FIRST_LOW_SURROGATE || !isLowSurrogate(text.charCodeAt(at + 1))) this.fail(HALF_PAIR, at);
        at += 2;
      } else if (at < text.length) {
        at++;
      } else {
        this.fail('a string that is not closed', start);
      }
    }
  }

  /** Reads the number that begins at the cursor, and refuses one beyond the range of a double. */
  number(): void {
    const { text } = this;
    const start = this.at;
    let at = start;
    let unit = text.charCodeAt(at);
    if (unit === MINUS) unit = text.charCodeAt(++at);
    if (unit === ZERO) unit = text.charCodeAt(++at);
    else if (isDigit(unit)) unit = text.charCodeAt((at = this.#digits(at)));
    else this.unexpected(at);
    this.integer = true;
    if (unit === POINT) {
      this.integer = false;
      unit = text.charCodeAt((at = this.#digits(at + 1)));
    }
    let mayOverflow = at - start > MAX_PLAIN_DIGITS;
    if (unit === LOWER_E || unit === UPPER_E) {
      this.integer = false;
      unit = text.charCodeAt(++at);
      if (unit === PLUS || unit === MINUS) at++;
      at = this.#digits(at);
      mayOverflow = true;
    }
    if (mayOverflow && !Number.isFinite(Number(text.slice(start, at)))) {
      this.fail('a number beyond the range of a double', start);
    }
    this.at = at;
  }

  /** Reads the `true`, `false` or `null` that is at the cursor. */
  word(): 'true' | 'false' | 'null' {
    for (const word of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return word;
      }
    }
    return this.unexpected(this.at);
  }

  /** Reads the key and the colon that have to be next; the rest is found by `keyStart`, `keyEnd` and `escaped`. */
  key(): void {
    if (this.next() !== QUOTE) this.unexpected(this.at);
    this.keyStart = this.at + 1;
    this.string();
    this.keyEnd = this.at - 1;
    if (this.next() !== COLON) this.unexpected(this.at);
    this.at++;
  }

  /** Refuses anything but white space from the cursor to the end. */
  end(): void {
    if (!Number.isNaN(this.next())) this.unexpected(this.at);
  }

  /** The value of the key read last. */
  keyValue(): string {
    return this.unquote(this.keyStart, this.keyEnd, this.escaped);
  }

  /** The value of a string whose characters lie between `start` and `end`, its quotes left out. */
  unquote(start: number, end: number, escaped: boolean): string {
    const inner = this.text.slice(start, end);
    return escaped ? (JSON.parse(`"${inner}"`) as string) : inner;
  }

  unexpected(at: number): never {
    const unit = this.text.codePointAt(at);
    return this.fail(
      unit === undefined ? 'the text ends too early' : `unexpected ${JSON.stringify(String.fromCodePoint(unit))}`,
      at,
    );
  }

  fail(reason: string, at: number): never {
    throw new HawserError('DOCUMENT_BODY_INVALID', `invalid JSON: ${reason} at position ${at}`);
  }

  /** Reads one or more digits; returns the index behind them. */
  #digits(start: number): number {
    let at = start;
    while (isDigit(this.text.charCodeAt(at))) at++;
    if (at === start) this.unexpected(at);
    return at;
  }

  /** Reads the escape whose backslash is at `start`; returns the index behind it, or behind both halves of a pair. */
  #escape(start: number): number {
    const unit = this.text.charCodeAt(start + 1);
    if (unit !== LOWER_U) {
      if (Number.isNaN(unit) || !ESCAPES.includes(String.fromCharCode(unit))) this.unexpected(start + 1);
      return start + 2;
    }
    const code = this.#hex(start + 2);
    if (!this.#pairedSurrogates || code < FIRST_SURROGATE || code > LAST_SURROGATE) return start + 6;
    const second = start + 6;
    const isPair =
      code < FIRST_LOW_SURROGATE && this.text.startsWith('\\u', second) && isLowSurrogate(this.#hex(second + 2));
    return isPair ? second + 6 : this.fail(HALF_PAIR, start);
  }

  #hex(start: number): number {
    let value = 0;
    for (let at = start; at < start + 4; at++) {
      const digit = HEX_DIGITS.indexOf(this.text.charAt(at).toLowerCase());
      if (digit < 0 || at >= this.text.length) this.unexpected(at);
      value = value * 16 + digit;
    }
    return value;
  }
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= NINE;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= FIRST_LOW_SURROGATE && unit <= LAST_SURROGATE;
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const MINUS = 0x2d;
export const ZERO = 0x30;
export const NINE = 0x39;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const PLUS = 0x2b;
const POINT = 0x2e;
const UPPER_E = 0x45;
const BACKSLASH = 0x5c;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const FIRST_SURROGATE = 0xd800;
const FIRST_LOW_SURROGATE = 0xdc00;
const LAST_SURROGATE = 0xdfff;
const ESCAPES = '"\\/bfnrt';
const HEX_DIGITS = '0123456789abcdef';
const WORDS = ['true', 'false', 'null'] as const;
const HALF_PAIR = 'half of a surrogate pair';
/** A number of this many characters without an exponent is below 10^308. */
const MAX_PLAIN_DIGITS = 308;

/** Whether a number begins with this code unit. */
export function isNumberStart(unit: number): boolean {
  return unit === MINUS || (unit >= ZERO && unit <= NINE);
}
