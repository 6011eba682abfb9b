/**
 * The few ASN.1 values that certificates and keys are made of, written by node-forge. It is loaded by the first call only:
 * it costs a device that has its certificate already neither time nor memory.
 */
import type { asn1 as Asn1Functions } from 'node-forge';

export type Asn1Value = Asn1Functions.Asn1;
export type Asn1Writer = Awaited<ReturnType<typeof asn1Writer>>;

export async function asn1Writer() {
  const { asn1 } = (await import('node-forge')).default;
  const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;
  const { Type } = asn1;
  const der = (value: Asn1Value): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
  const primitive = (type: Asn1Functions.Type, content: Buffer): Asn1Value =>
    asn1.create(UNIVERSAL, type, false, content.toString('latin1')); // node-forge keeps bytes in strings
  const sequence = (...values: readonly Asn1Value[]): Asn1Value =>
    asn1.create(UNIVERSAL, Type.SEQUENCE, true, [...values]);
  return {
    der,
    sequence,
    set: (...values: readonly Asn1Value[]): Asn1Value => asn1.create(UNIVERSAL, Type.SET, true, [...values]),
    oid: (id: string): Asn1Value => primitive(Type.OID, oidBytes(id)),
    /** Not negative. */
    integer: (value: number | Buffer): Asn1Value => primitive(Type.INTEGER, integerBytes(value)),
    boolean: (value: boolean): Asn1Value => primitive(Type.BOOLEAN, Buffer.of(value ? 0xff : 0)),
    octets: (content: Buffer): Asn1Value => primitive(Type.OCTETSTRING, content),
    bits: (content: Buffer, unused = 0): Asn1Value =>
      primitive(Type.BITSTRING, Buffer.concat([Buffer.of(unused), content])),
    utf8: (text: string): Asn1Value => primitive(Type.UTF8, Buffer.from(text, 'utf8')),
    printable: (text: string): Asn1Value => primitive(Type.PRINTABLESTRING, Buffer.from(text, 'latin1')),
    /** `[tag]` around a value. */
    explicit: (tag: number, value: Asn1Value): Asn1Value => asn1.create(CONTEXT_SPECIFIC, tag, true, [value]),
    /** `[tag]` in place of the tag of a string. */
    implicit: (tag: number, content: Buffer): Asn1Value =>
      asn1.create(CONTEXT_SPECIFIC, tag, false, content.toString('latin1')),
    /** RFC 5280 4.1.2.5: two-digit years up to 2049, four digits from 2050 on. */
    time: (date: Date): Asn1Value =>
      date.getUTCFullYear() < 2050
        ? asn1.create(UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
        : asn1.create(UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date)),
    /** What was encoded by somebody else. */
    encoded: (bytes: Buffer): Asn1Value => asn1.fromDer(bytes.toString('latin1')),
  };
}

/**
 * The content of an object identifier (X.690 8.19). The numbers may be of any size: those made of a UUID have 128 bits, and
 * node-forge takes 32.
 */
export function oidBytes(id: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = id.split('.').map(BigInt);
  const bytes: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const groups = [Number(arc & 0x7fn)];
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80);
    bytes.push(...groups);
  }
  return Buffer.from(bytes);
}

/** In the shortest form, with a leading zero where the sign would be misread. */
function integerBytes(value: number | Buffer): Buffer {
  const bytes = typeof value === 'number' ? Buffer.from(evenHex(value), 'hex') : value;
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
}

function evenHex(value: number): string {
  const hex = value.toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}
