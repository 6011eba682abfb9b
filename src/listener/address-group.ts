/** Which addresses count as one: whoever has a line of IPv6 has 2^64 of them at the least. */
import { builtins } from '../base/index.js';

/**
 * What stands for an address wherever peers are counted: of an IPv6 address the first 64 bits, any other as it is.
 * `undefined` where a medium has no addresses.
 */
export function addressGroup(address: string | undefined): string | undefined {
  if (address === undefined || address === '') return undefined;
  const [bare = ''] = address.split('%', 1); // without the interface of a link-local one
  if (!builtins.net().isIPv6(bare)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped; // IPv4, on a socket that takes both
  const [head = '', tail] = bare.split('::') as [string, string?];
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    groups.push(...Array.from({ length: Math.max(0, 8 - groups.length - after) }, () => '0'), ...tail.split(':'));
  }
  const first = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${first.join(':')}::/64`;
}
