/**
 * The properties of a message: pairs of text, each ended by NUL (specification 2.3). What a property means is not known here.
 */
import { fromUtf8, varintLength, writeVarint } from '../base/index.js';
import { HawserError } from '../errors.js';

/** The properties of a received message. Names are unique to the reader: of duplicates the first one counts. */
export class MessageProperties {
  static readonly NONE = new MessageProperties([]);

  /** Name, value, name, value …; a last name without a value is never looked at. */
  readonly #texts: readonly string[];

  /** From names and values in turns. */
  constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  /**
   * Decodes `bytes`, which are all the properties and nothing else. Throws `BLIP_PROPERTIES_INVALID` where the last text is
   * not ended by NUL or a text is not UTF-8. An odd number of texts is no error: a real core answers such a message.
   */
  static decode(bytes: Buffer): MessageProperties {
    if (bytes.length === 0) return MessageProperties.NONE;
    if (bytes[bytes.length - 1] !== 0) {
      throw new HawserError('BLIP_PROPERTIES_INVALID', 'The properties of a message do not end with NUL');
    }
    const text = bytes.toString('utf8', 0, bytes.length - 1);
    // Replaced bytes would make two different document IDs the same one. U+FFFD itself is legal, hence the second look.
    if (text.includes('\ufffd') && fromUtf8(bytes) === undefined) {
      throw new HawserError('BLIP_PROPERTIES_INVALID', 'The properties of a message are not UTF-8');
    }
    return new MessageProperties(text.split('\0'));
  }

  /** The value as it came, possibly empty; `undefined` where there is none. */
  get(name: string): string | undefined {
    const texts = this.#texts;
    for (let index = 1; index < texts.length; index += 2) {
      if (texts[index - 1] === name) return texts[index];
    }
    return undefined;
  }

  /** The value where it says something: the protocol treats an empty value as an absent one. */
  text(name: string): string | undefined {
    const value = this.get(name);
    return value === '' ? undefined : value;
  }

  /** The value of a decimal integer that a number holds exactly; `undefined` for everything else. */
  integer(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined || !DECIMAL.test(value)) return undefined;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : undefined;
  }

  /** True for `true` and `YES` in any case and for a decimal integer other than 0; false for everything else. */
  boolean(name: string): boolean {
    const value = this.get(name);
    if (value === undefined) return false;
    return value === 'true' || AFFIRMATION.test(value) || (DECIMAL.test(value) && NONZERO_DIGIT.test(value));
  }

  /** All pairs in the order of the message, duplicates included. */
  *entries(): Generator<[name: string, value: string], void, undefined> {
    for (let index = 1; index < this.#texts.length; index += 2) {
      yield [this.#texts[index - 1] ?? '', this.#texts[index] ?? ''];
    }
  }
}

const DECIMAL = /^-?[0-9]+$/;
const NONZERO_DIGIT = /[1-9]/;
const AFFIRMATION = /^(?:true|yes)$/i;

/**
 * The length of the properties and the properties, as they open a message. Throws `ARGUMENT_INVALID` for what cannot be
 * sent: values that are no text, NUL, halves of surrogate pairs, more than {@link MAX_PROPERTIES_SIZE} bytes.
 */
export function encodeProperties(properties: Readonly<Record<string, string>>): Uint8Array {
  let text = '';
  for (const name of Object.keys(properties)) {
    const value: unknown = properties[name];
    if (typeof value !== 'string') throw invalid(name, 'must be a string');
    if (name.includes('\0') || value.includes('\0')) throw invalid(name, 'must not contain NUL');
    text += name + '\0' + value + '\0';
  }
  if (text === '') return NO_PROPERTIES;
  const size = Buffer.byteLength(text, 'utf8');
  if (size > MAX_PROPERTIES_SIZE) {
    throw new HawserError('ARGUMENT_INVALID', `The properties take ${size} bytes, more than ${MAX_PROPERTIES_SIZE}`);
  }
  const bytes = Buffer.allocUnsafe(varintLength(size) + size);
  const start = writeVarint(bytes, 0, size);
  bytes.write(text, start, 'utf8');
  if (size !== text.length && bytes.toString('utf8', start) !== text) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      'A property holds half of a surrogate pair and cannot be written as UTF-8',
    );
  }
  return bytes;
}

/** What every peer accepts (specification 2.3). */
export const MAX_PROPERTIES_SIZE = 102_400;

const NO_PROPERTIES = Uint8Array.of(0);

function invalid(name: string, problem: string): HawserError {
  return new HawserError('ARGUMENT_INVALID', `Property ${JSON.stringify(name)} of a message ${problem}`);
}
