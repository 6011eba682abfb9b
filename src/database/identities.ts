/** How a database is named in checkpoints and to peers. */
import { randomUUID } from 'node:crypto';
import type { Storage } from '../storage/index.js';

export interface Identities {
  readonly private: string;
  readonly public: string;
}

/** The two UUIDs of the database, made at its first opening. */
export async function identities(storage: Storage): Promise<Identities> {
  const known = {
    private: await storage.record('identity', 'private'),
    public: await storage.record('identity', 'public'),
  };
  if (known.private !== undefined && known.public !== undefined)
    return { private: known.private, public: known.public };
  const made = { private: randomUUID(), public: randomUUID() };
  await storage.transaction(async (transaction) => {
    await transaction.putRecord('identity', 'private', made.private);
    await transaction.putRecord('identity', 'public', made.public);
  });
  return made;
}
