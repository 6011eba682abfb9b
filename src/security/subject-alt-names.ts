/** Under which other names a certificate is good: the subject alternative names (RFC 5280 4.2.1.6), and what they may hold. */
import { builtins } from '../base/index.js';
import { oidBytes, type Asn1Value, type Asn1Writer } from './asn1-writer.js';
import { attributeError } from './distinguished-name.js';

/** 100 names at most, all in ASCII. */
export interface AltNames {
  /** `skipper@example.org` */
  readonly emailAddress?: string;
  /** `boat.local`, or with a star for the first label. Others than ASCII in punycode. */
  readonly hostnames?: readonly string[];
  /** Absolute, such as `urn:uuid:…` or `https://…`. */
  readonly urls?: readonly string[];
  /** IPv4 or IPv6, without a zone. */
  readonly ipAddresses?: readonly string[];
  /** Object identifiers: `1.3.6.1.4.1.…`. */
  readonly registeredIDs?: readonly string[];
}

/** @throws `IDENTITY_ATTRIBUTE_INVALID` naming the attribute and the value */
export function checkAltNames(names: AltNames): void {
  let count = 0;
  for (const name of ALT_NAMES) {
    if (names[name] === undefined) continue;
    const list: unknown = name === 'emailAddress' ? [names[name]] : names[name];
    if (!Array.isArray(list)) throw attributeError(name, 'must be a list of strings');
    count += list.length;
    if (count > MAX_NAMES) throw attributeError(name, `goes beyond ${MAX_NAMES} names for one certificate`);
    for (const value of list) checkAltName(name, value);
  }
}

function checkAltName(name: keyof AltNames, value: unknown): void {
  if (typeof value !== 'string') throw attributeError(name, `must hold strings, not ${typeof value}`);
  const shown = JSON.stringify(value.slice(0, 80));
  if (value.length > MAX_LENGTH) throw attributeError(name, `holds ${shown}…, of more than ${MAX_LENGTH} characters`);
  if (!/^[\x21-\x7e]+$/.test(value)) {
    const hint = name === 'hostnames' ? ' (write other letters in punycode: xn--…)' : '';
    throw attributeError(name, `holds ${shown}, which is not printable ASCII${hint}`);
  }
  const { is, what } = RULES[name];
  if (!is(value)) throw attributeError(name, `holds ${shown}, which is no ${what}`);
}

/** The extension's value; `undefined` without names. */
export function altNamesValue(write: Asn1Writer, names: AltNames): Asn1Value | undefined {
  const ascii = (tag: number) => (text: string) => write.implicit(tag, Buffer.from(text, 'latin1'));
  const values = [
    ...(names.emailAddress === undefined ? [] : [names.emailAddress]).map(ascii(1)),
    ...(names.hostnames ?? []).map(ascii(2)),
    ...(names.urls ?? []).map(ascii(6)),
    ...(names.ipAddresses ?? []).map((address) => write.implicit(7, addressBytes(address))),
    ...(names.registeredIDs ?? []).map((id) => write.implicit(8, oidBytes(id))),
  ];
  return values.length === 0 ? undefined : write.sequence(...values);
}

function isHostname(text: string): boolean {
  const labels = (text.startsWith('*.') ? text.slice(2) : text).split('.');
  const last = labels.at(-1) ?? '';
  // A last label of digits makes it an address in the eyes of many readers.
  return text.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^(\d+|0x[\da-f]*)$/i.test(last);
}

function isUrl(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:./.test(text) && !/[<>"\\^`{|}]/.test(text) && URL.canParse(text);
}

function isOid(text: string): boolean {
  const [first, second, ...rest] = text.split('.');
  const isNumber = (arc: string | undefined): boolean => arc !== undefined && /^(0|[1-9]\d{0,38})$/.test(arc);
  if (first === undefined || !/^[0-2]$/.test(first) || !isNumber(second) || !rest.every(isNumber)) return false;
  return first === '2' || Number(second) < 40;
}

function addressBytes(address: string): Buffer {
  if (builtins.net().isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes an embedded IPv4 address as hex groups and drops leading zeros.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((group) => parseInt(group, 16)) : [];
  const before = groups(head);
  const after = groups(tail);
  const bytes = Buffer.alloc(16);
  before.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  after.forEach((group, index) => bytes.writeUInt16BE(group, 16 - (after.length - index) * 2));
  return bytes;
}

const MAX_NAMES = 100;
const MAX_LENGTH = 255;
/** Underscores are not for hosts, but real networks have them. */
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const EMAIL_NAME = /^[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*$/;

const RULES: Readonly<Record<keyof AltNames, { readonly is: (text: string) => boolean; readonly what: string }>> = {
  emailAddress: {
    is: (text) => {
      const [name = '', host = '', ...rest] = text.split('@');
      return rest.length === 0 && name.length <= 64 && EMAIL_NAME.test(name) && isHostname(host) && host[0] !== '*';
    },
    what: 'e-mail address',
  },
  hostnames: { is: isHostname, what: 'host name (addresses belong to ipAddresses)' },
  urls: { is: isUrl, what: 'absolute URL' },
  ipAddresses: {
    is: (text) => builtins.net().isIP(text) !== 0 && !text.includes('%'),
    what: 'IP address without a zone',
  },
  registeredIDs: { is: isOid, what: 'object identifier' },
};

export const ALT_NAMES = Object.keys(RULES) as readonly (keyof AltNames)[];
