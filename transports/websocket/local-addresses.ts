/** Which addresses of this machine a listener is reached at. Looks at the interfaces as they are now; they come and go. */
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { HawserError } from '../../src/index.js';

/** A host to listen on; `undefined` is every address the machine has or will get. */
export type Host = string | undefined;

/**
 * Where to listen for `networkInterface`: the name of an interface, an address, or `undefined` for everywhere.
 * @throws `LISTENER_ADDRESS_UNAVAILABLE` for a name that no interface has
 */
export function hostsOf(networkInterface: string | undefined): [Host, ...Host[]] {
  if (networkInterface === undefined || networkInterface === '0.0.0.0' || networkInterface === '::') return [undefined];
  if (isIP(networkInterface) !== 0) return [networkInterface];
  const [first, ...rest] = (networkInterfaces()[networkInterface] ?? [])
    .filter(isReachable)
    .map(({ address }) => address);
  if (first !== undefined) return [first, ...rest];
  const known = Object.keys(networkInterfaces()).join(', ');
  throw new HawserError(
    'LISTENER_ADDRESS_UNAVAILABLE',
    `this machine has no network interface "${networkInterface}" with an address (there are: ${known})`,
  );
}

/**
 * The addresses that a server on `hosts` has, those that others can reach first.
 * @param hasIPv6 whether a server that listens everywhere does so for IPv6 too
 */
export function addressesOf(hosts: readonly Host[], hasIPv6: boolean): string[] {
  const named = hosts.filter((host) => host !== undefined);
  if (named.length > 0) return named;
  const all = Object.values(networkInterfaces())
    .flatMap((infos) => infos ?? [])
    .filter((info) => isReachable(info) && (hasIPv6 || info.family === 'IPv4'));
  return [...all.filter(({ internal }) => !internal), ...all.filter(({ internal }) => internal)].map(
    ({ address }) => address,
  );
}

export function urlHost(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** Link-local IPv6 addresses mean something only together with an interface of the caller, which a URL cannot name. */
function isReachable({ address, family }: NetworkInterfaceInfo): boolean {
  return family === 'IPv4' || !/^fe[89ab]/i.test(address);
}
