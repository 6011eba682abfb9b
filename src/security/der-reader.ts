/**
 * Reads ASN.1 as it comes from others: DER, and the BER of old PKCS #12 files (indefinite lengths, strings in pieces). Level
 * by level, as far as the caller asks: what is not asked for costs neither time nor memory, and nothing nests deeper than
 * a limit.
 */
import { HawserError } from '../errors.js';

export interface DerValue {
  /** The first byte: class, form and number. */
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly raw: Buffer;
}

export const TAG = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  SEQUENCE: 0x30,
  /** `[0]`, explicit. */
  CONTEXT_0: 0xa0,
  CONTEXT_3: 0xa3,
} as const;

/**
 * The one value that the bytes hold.
 * @throws `IDENTITY_INVALID`, as all functions here, if the bytes are not what is asked for
 */
export function readDer(bytes: Uint8Array, tag: number = TAG.SEQUENCE): DerValue {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { value, end } = valueAt(buffer, 0, 0);
  if (end !== buffer.length) throw damaged('there is something after its end');
  return expectTag(value, tag);
}

/** What a constructed value is made of. */
export function children({ tag, content }: DerValue): DerValue[] {
  if ((tag & CONSTRUCTED) === 0) throw damaged('a value with parts was expected');
  const found: DerValue[] = [];
  for (let at = 0; at < content.length;) {
    const { value, end } = valueAt(content, at, 0);
    found.push(value);
    at = end;
  }
  return found;
}

/** The values of a sequence. */
export function sequenceOf(value: DerValue | undefined): DerValue[] {
  return children(expectTag(value, TAG.SEQUENCE));
}

export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value?.tag !== tag) throw damaged(`tag ${tag} was expected, not ${value?.tag ?? 'the end'}`);
  return value;
}

/** The bytes of an octet string, or of one with an implicit tag, in one piece or in several. */
export function octetsOf(value: DerValue | undefined, tag: number = TAG.OCTET_STRING): Buffer {
  if (value?.tag === (tag | CONSTRUCTED)) {
    return Buffer.concat(children(value).map((piece) => expectTag(piece, TAG.OCTET_STRING).content));
  }
  return expectTag(value, tag).content;
}

/** A number that is not negative and fits into 32 bits. */
export function numberOf(value: DerValue | undefined): number {
  const { content } = expectTag(value, TAG.INTEGER);
  if (content.length === 0 || content.length > 5) throw damaged('a number has an unusual size');
  const number = content.readIntBE(0, content.length);
  if (number < 0 || number > 0xffffffff) throw damaged('a number is out of range');
  return number;
}

/** An object identifier, in numbers with dots between them. */
export function oidOf(value: DerValue | undefined): string {
  const { content } = expectTag(value, TAG.OID);
  if (content.length > MAX_OID) throw damaged('an object identifier is too long');
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    if (arcs.length > 0) arcs.push(arc);
    else {
      const first = arc < 80n ? arc / 40n : 2n; // the first two share a number (X.690 8.19.4)
      arcs.push(first, arc - first * 40n);
    }
    arc = 0n;
  }
  return arcs.join('.');
}

function valueAt(bytes: Buffer, at: number, depth: number): { readonly value: DerValue; readonly end: number } {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) throw damaged('it is cut short');
  if ((tag & LONG_TAG) === LONG_TAG) throw damaged('a tag is unknown');
  if (first === INDEFINITE) {
    if ((tag & CONSTRUCTED) === 0) throw damaged('a length is missing');
    if (depth >= MAX_DEPTH) throw damaged(`it nests deeper than ${MAX_DEPTH} levels`);
    let end = at + 2;
    while (bytes[end] !== 0 || bytes[end + 1] !== 0) end = valueAt(bytes, end, depth + 1).end;
    return { value: { tag, content: bytes.subarray(at + 2, end), raw: bytes.subarray(at, end + 2) }, end: end + 2 };
  }
  const lengthBytes = first < INDEFINITE ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  if (lengthBytes > 4 || start > bytes.length) throw damaged('a length cannot be read');
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
  const end = start + length;
  if (end > bytes.length) throw damaged('it is cut short');
  return { value: { tag, content: bytes.subarray(start, end), raw: bytes.subarray(at, end) }, end };
}

function damaged(what: string): HawserError {
  return new HawserError('IDENTITY_INVALID', `the key or certificate is damaged: ${what}`);
}

const CONSTRUCTED = 0x20;
const LONG_TAG = 0x1f;
const INDEFINITE = 0x80;
const MAX_DEPTH = 32;
const MAX_OID = 64;
