/**
 * CRC-32 (IEEE 802.3, as in zlib and PNG), continued from a previous value: specification 2.6. Node's own where it has
 * one (20.15 and later), else a table that takes eight bytes a step. No state: the running value belongs to the caller.
 */
import { builtins } from '../base/index.js';

/** The checksum of everything that `previous` covers (0 for nothing) followed by `bytes`, as an unsigned 32-bit number. */
export type Crc32 = (bytes: Uint8Array, previous: number) => number;

/** In plain JavaScript, slicing by eight. */
export const tableCrc32: Crc32 = (bytes, previous) => {
  const table = (sharedTable ??= makeTable());
  const at = (slice: number, byte: number): number => table[slice * 256 + byte] as number;
  let crc = ~previous;
  let position = 0;
  for (const end = bytes.length - 7; position < end; position += 8) {
    crc ^= word(bytes, position);
    const high = word(bytes, position + 4);
    crc =
      at(7, crc & 0xff) ^
      at(6, (crc >>> 8) & 0xff) ^
      at(5, (crc >>> 16) & 0xff) ^
      at(4, crc >>> 24) ^
      at(3, high & 0xff) ^
      at(2, (high >>> 8) & 0xff) ^
      at(1, (high >>> 16) & 0xff) ^
      at(0, high >>> 24);
  }
  for (; position < bytes.length; position++) {
    crc = (crc >>> 8) ^ at(0, (crc ^ (bytes[position] as number)) & 0xff);
  }
  return ~crc >>> 0;
};

/** The faster of the two that this Node has. */
export const crc32: Crc32 = (bytes, previous) => (fastest ??= choose())(bytes, previous);

let fastest: Crc32 | undefined;

function choose(): Crc32 {
  const { crc32: native } = builtins.zlib();
  return typeof native === 'function' ? native : tableCrc32;
}

let sharedTable: Int32Array | undefined;

/** Slice `n` holds the checksum of a byte followed by `n` zero bytes. */
function makeTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? REFLECTED_POLYNOMIAL : 0);
    table[byte] = crc;
  }
  for (let index = 256; index < table.length; index++) {
    const before = table[index - 256] as number;
    table[index] = (before >>> 8) ^ (table[before & 0xff] as number);
  }
  return table;
}

const REFLECTED_POLYNOMIAL = 0xedb88320;

function word(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position] as number) |
    ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) |
    ((bytes[position + 3] as number) << 24)
  );
}
