/**
 * Are the documents of some databases those of another? By ID, revision and the digest of the body, once their programs have ended:
 * a database is open in one process at a time.
 */
import { createHash } from 'node:crypto';
import { Database } from 'hawser';
import type { Result } from './perform.js';

/** Where documents are. */
export interface Store {
  /** Whose. */
  readonly who: string;
  readonly folder: string;
  readonly collection: string;
}

/** Passed if `target` has every document of `sources`, in the same revision and with the same body, and no other. */
export async function compare(sources: readonly Store[], target: Store): Promise<Result> {
  const expected = new Map<string, string>();
  const wrong: string[] = [];
  for (const source of sources) {
    for (const [id, digest] of await digestsOf(source)) {
      if ((expected.get(id) ?? digest) !== digest) wrong.push(`${id} of ${source.who} is different`);
      expected.set(id, digest);
    }
  }
  const found = await digestsOf(target);
  for (const [id, digest] of expected) {
    if (!found.has(id)) wrong.push(`${id} is missing on ${target.who}`);
    else if (found.get(id) !== digest) wrong.push(`${id} on ${target.who} is different`);
  }
  for (const id of found.keys()) if (!expected.has(id)) wrong.push(`${id} on ${target.who} is of nobody`);
  const who = `${sources.map((source) => source.who).join(', ')} and ${target.who}`;
  if (wrong.length > 0) return { passed: false, text: `${who}: ${wrong.length} documents are wrong: ${wrong[0]}` };
  // Nothing compared is not a success.
  const text = `${who} have ${expected.size} documents equal by ID, revision and body`;
  return { passed: expected.size > 0, text };
}

async function digestsOf({ folder, collection }: Store): Promise<ReadonlyMap<string, string>> {
  const database = await Database.open(folder);
  try {
    const digests = new Map<string, string>();
    for await (const document of database.collection(collection).documents()) {
      const body = createHash('sha256').update(document.toJSONText()).digest('hex');
      digests.set(document.id, `${document.revisionID} ${body}`);
    }
    return digests;
  } finally {
    await database.close();
  }
}
