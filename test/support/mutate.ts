/** Messages of the replication protocol, spoilt at random: the same seed, the same damage. */
import type { RandomSource } from '../../src/index.js';

export interface RawMessage {
  readonly properties: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export class Mutator {
  readonly #random: RandomSource;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Damages properties, body, or both; sometimes nothing. */
  message(message: RawMessage): RawMessage {
    const kind = this.below(10);
    return {
      properties: kind < 6 ? this.#properties(message.properties) : message.properties,
      body: kind > 3 ? this.body(message.body) : message.body,
    };
  }

  body(body: string | Uint8Array): string | Uint8Array {
    const text = typeof body === 'string' ? body : Buffer.from(body).toString('latin1');
    switch (this.below(9)) {
      case 0:
        return text.slice(0, this.below(text.length + 1));
      case 1:
        return text + this.pick(BODIES);
      case 2:
        return this.pick(BODIES);
      case 3: {
        const bytes = Buffer.from(text);
        for (let count = this.below(4); count >= 0 && bytes.length > 0; count--) {
          bytes[this.below(bytes.length)] = this.below(256);
        }
        return bytes;
      }
      case 4:
      case 5:
        return text.replaceAll(/"[^"]*"|-?\d+/g, (token) =>
          this.below(3) === 0 ? (this.below(2) === 0 ? this.pick(VALUES) : JSON.stringify(this.pick(TEXTS))) : token,
        );
      case 6:
        return text.replaceAll(/[[\]{},:]/g, (token) =>
          this.below(8) === 0 ? this.pick(['', '[', ']', '{', ',', ':']) : token,
        );
      case 7:
        return `[${Array.from({ length: this.below(50) }, () => this.pick(VALUES)).join(',')}]`;
      default:
        return text;
    }
  }

  #properties(properties: Readonly<Record<string, string>>): Record<string, string> {
    const result: Record<string, string> = {};
    for (const [name, value] of Object.entries(properties)) {
      // Without its collection a message is not looked at any further: that shall not happen to too many.
      const kind = this.below(name === 'collection' ? 30 : 6);
      if (kind === 0) continue;
      if (kind === 1) result[name] = this.pick(TEXTS);
      else if (kind === 2) result[name] = value.slice(0, this.below(value.length + 1)) + this.pick(TEXTS);
      else if (kind === 3) result[this.pick(NAMES)] = this.pick(TEXTS);
      else result[name] = value;
    }
    if (this.below(3) === 0) result[this.pick(NAMES)] = this.pick(TEXTS);
    return result;
  }
}

const DEEP = '['.repeat(5_000);

const BODIES: readonly string[] = [
  '',
  'null',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '"',
  '{"":1}',
  '{"a":1,"a":2}',
  '{"__proto__":{"x":1},"constructor":1}',
  '{"@type":"blob","digest":"sha1-x"}',
  '{"_removed":true}',
  '\ufeff{}',
  '\u0000',
  DEEP,
  DEEP + ']'.repeat(5_000),
  `{"a":"${'x'.repeat(70_000)}"}`,
  '[1e400]',
  '{"a":18446744073709551616}',
];

const VALUES: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1.5',
  '1e999',
  '9007199254740993',
  '18446744073709551615',
  '""',
  '"\\ud800"',
  '"\\u0000"',
  '[]',
  '[[]]',
  '{}',
  '{"a":[]}',
];

const TEXTS: readonly string[] = [
  '',
  '0',
  '1',
  '-1',
  '00',
  '1.5',
  '1e3',
  '9007199254740993',
  'true',
  'YES',
  'null',
  '"5::1"',
  '"',
  '[1]',
  '1-aa',
  '2-bb',
  '4294967295-aa',
  '4294967296-aa',
  '1-xyz',
  'aa',
  '-',
  '1@AAAA',
  '3-cc,2-bb,1-aa',
  '3-cc,1-aa',
  ',',
  'd1',
  '_under',
  '\u0001',
  '\u0002',
  'é𝄞',
  '\ufffd',
  '__proto__',
  'constructor',
  "' OR 1=1 --",
  '%s%n',
  'x'.repeat(300),
  'y'.repeat(20_000),
];

const NAMES: readonly string[] = [
  'collection',
  'client',
  'rev',
  'id',
  'sequence',
  'history',
  'deleted',
  'noconflicts',
  'deltaSrc',
  'since',
  'continuous',
  'activeOnly',
  'filter',
  'channels',
  'versioning',
  'batch',
  'error',
  'maxHistory',
  'conflictIncludesRev',
  'profile',
  '',
  '__proto__x',
];
