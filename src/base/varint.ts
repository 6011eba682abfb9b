/** Unsigned LEB128 (specification 2.1): seven bits a byte, least significant first. */

/** Writes `value` (a non-negative integer) to `target` at `offset`; returns the offset after it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let position = offset;
  while (rest >= 0x80) {
    target[position++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[position++] = rest;
  return position;
}

export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** A cursor over bytes that reads varints. */
export class VarintReader {
  offset: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  /**
   * The next number, or `undefined` (offset unchanged) if it is cut short or longer than 10 bytes. Numbers above 2^53 are
   * rounded to a double: no count or message number of a real connection gets there.
   */
  read(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let position = this.offset; position < this.#bytes.length && position < this.offset + MAX_LENGTH; position++) {
      const byte = this.#bytes[position] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.offset = position + 1;
        return value;
      }
      scale *= 0x80;
    }
    return undefined;
  }
}

const MAX_LENGTH = 10;
