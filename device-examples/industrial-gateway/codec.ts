/** Registers to values in SI units, and, for the machine of the example, back. */
import type { Register } from './registers.js';

/** Registers of one table that are read with one request. */
export interface Block {
  readonly table: Register['table'];
  readonly address: number;
  /** In registers of 16 bits. */
  readonly length: number;
  readonly registers: readonly Register[];
}

/** One block for each table: what lies between the registers is read as well, which costs less than another request. */
export function blocksOf(registers: readonly Register[]): Block[] {
  return (['input', 'holding'] as const).flatMap((table) => {
    const own = registers.filter((register) => register.table === table);
    if (own.length === 0) return [];
    const address = Math.min(...own.map((register) => register.address));
    const length = Math.max(...own.map((register) => register.address + sizeOf(register))) - address;
    if (length > MAX_LENGTH) throw new RangeError(`the ${table} registers are spread over more than ${MAX_LENGTH}`);
    return [{ table, address, length, registers: own }];
  });
}

/** The values of a block as it was read, big-endian, with six digits: scales leave more that say nothing. */
export function valuesOf(block: Block, bytes: Buffer): ReadonlyMap<Register, number> {
  return new Map(
    block.registers.map((register) => {
      const at = (register.address - block.address) * 2;
      const value = READ[register.type](bytes, at) * register.scale + register.offset;
      return [register, Number(value.toPrecision(6))];
    }),
  );
}

/** The registers that hold a value. */
export function encode(register: Register, value: number): Buffer {
  const bytes = Buffer.alloc(sizeOf(register) * 2);
  const raw = (value - register.offset) / register.scale;
  WRITE[register.type](bytes, register.type === 'float32' ? raw : Math.round(raw));
  return bytes;
}

/** In registers of 16 bits. */
function sizeOf({ type }: Register): number {
  return type.endsWith('16') ? 1 : 2;
}

const READ: Readonly<Record<Register['type'], (bytes: Buffer, at: number) => number>> = {
  int16: (bytes, at) => bytes.readInt16BE(at),
  uint16: (bytes, at) => bytes.readUInt16BE(at),
  int32: (bytes, at) => bytes.readInt32BE(at),
  uint32: (bytes, at) => bytes.readUInt32BE(at),
  float32: (bytes, at) => bytes.readFloatBE(at),
};

const WRITE: Readonly<Record<Register['type'], (bytes: Buffer, value: number) => number>> = {
  int16: (bytes, value) => bytes.writeInt16BE(value),
  uint16: (bytes, value) => bytes.writeUInt16BE(value),
  int32: (bytes, value) => bytes.writeInt32BE(value),
  uint32: (bytes, value) => bytes.writeUInt32BE(value),
  float32: (bytes, value) => bytes.writeFloatBE(value),
};

/** What one request can read. */
const MAX_LENGTH = 125;
