/** Who a certificate is for: the attributes of its subject (X.520), and what they may hold. */
import { HawserError } from '../errors.js';
import type { Asn1Value, Asn1Writer } from './asn1-writer.js';

/** Attributes of the subject. Texts without control characters, of as many characters as is said. */
export interface NameAttributes {
  /** What the identity is called. Up to 64 characters. */
  readonly commonName: string;
  /** Up to 128. */
  readonly pseudonym?: string;
  /** Up to 64. */
  readonly givenName?: string;
  /** Up to 64. */
  readonly surname?: string;
  /** Up to 64. */
  readonly organization?: string;
  /** Up to 64. */
  readonly organizationUnit?: string;
  /** Up to 180, on one line. */
  readonly postalAddress?: string;
  /** Town. Up to 128. */
  readonly locality?: string;
  /** Up to 40. */
  readonly postalCode?: string;
  /** Up to 128. */
  readonly stateOrProvince?: string;
  /** Two letters (ISO 3166). */
  readonly country?: string;
}

/** @throws `IDENTITY_ATTRIBUTE_INVALID` naming the attribute */
export function checkName(attributes: Partial<NameAttributes>): void {
  if (attributes.commonName === undefined) throw attributeError('commonName', 'is missing: an identity needs one');
  for (const name of NAME_ATTRIBUTES) {
    const value: unknown = attributes[name];
    if (value !== undefined) checkText(name, value, KINDS[name].longest);
  }
  if (attributes.country !== undefined && !/^[A-Za-z]{2}$/.test(attributes.country)) {
    throw attributeError('country', 'must be the two letters of ISO 3166, such as NO');
  }
}

/** The name as X.509 wants it: from the country down to the common name. */
export function nameValue(write: Asn1Writer, attributes: NameAttributes): Asn1Value {
  const parts = NAME_ATTRIBUTES.flatMap((name) => {
    const text = attributes[name];
    if (text === undefined) return [];
    const value = name === 'country' ? write.printable(text) : write.utf8(text);
    return [write.set(write.sequence(write.oid(KINDS[name].oid), value))];
  });
  return write.sequence(...parts);
}

export function attributeError(name: string, what: string): HawserError {
  return new HawserError('IDENTITY_ATTRIBUTE_INVALID', `attributes.${name} ${what}`);
}

function checkText(name: string, value: unknown, longest: number): void {
  if (typeof value !== 'string') throw attributeError(name, `must be a string, not ${typeof value}`);
  if (value.trim() === '') throw attributeError(name, 'is empty');
  if (value.length > 2 * longest || [...value].length > longest) {
    throw attributeError(name, `is longer than ${longest} characters`);
  }
  if (MISLEADING.test(value)) {
    throw attributeError(name, 'holds a control character, a line break, or half of a surrogate pair');
  }
}

/** What cannot be encoded, or makes a name look like another one: controls, line breaks, changes of direction. */
const MISLEADING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/**
 * In the order in which they are written. The bounds are those of X.520; names of people have none there that would keep
 * a certificate small, so the one of the common name holds. A postal address is six lines of 30 characters there: it is
 * written as one text, as other makers of certificates do, for hardly a reader shows the lines.
 */
const KINDS: Readonly<Record<keyof NameAttributes, { readonly oid: string; readonly longest: number }>> = {
  country: { oid: '2.5.4.6', longest: 2 },
  stateOrProvince: { oid: '2.5.4.8', longest: 128 },
  locality: { oid: '2.5.4.7', longest: 128 },
  postalCode: { oid: '2.5.4.17', longest: 40 },
  postalAddress: { oid: '2.5.4.16', longest: 180 },
  organization: { oid: '2.5.4.10', longest: 64 },
  organizationUnit: { oid: '2.5.4.11', longest: 64 },
  surname: { oid: '2.5.4.4', longest: 64 },
  givenName: { oid: '2.5.4.42', longest: 64 },
  pseudonym: { oid: '2.5.4.65', longest: 128 },
  commonName: { oid: '2.5.4.3', longest: 64 },
};

export const NAME_ATTRIBUTES = Object.keys(KINDS) as readonly (keyof NameAttributes)[];
