/** The identity of a station that listens: made at the first start and kept, so that who pinned it still knows it after a restart. */
import { join } from 'node:path';
import { KeyStore, type TLSIdentity } from 'hawser';

export async function stationIdentity(folder: string, name: string): Promise<TLSIdentity> {
  const keys = await KeyStore.open(join(folder, 'keys'));
  const known = await keys.identity(name);
  return known ?? keys.createIdentity(name, { keyUsages: ['serverAuth'], attributes: { commonName: name } });
}
