/**
 * Push and forget: what the bridge has is kept here for some time more and then purged, so that a node that logs for ever has a
 * database that stays small. Purged is what has an expiration; it is set when the replicator tells that a document was pushed.
 *
 * Three things are easily missed. Of a document whose acknowledgement was lost with a link nothing is told later, since it needs
 * no transfer any more: so what was not told of is looked at when the replicator is idle. A bridge that has seen less of this node
 * than it pushed offers documents that were purged here: what comes back is forgotten again. And the newest document stays,
 * because numbers go on after it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isHawserError, type Collection, type DocumentBody, type Replicator } from 'hawser';

export interface Forgetting {
  /** Documents were saved, the newest last. */
  saved(ids: readonly string[]): void;
  /** Documents that were purged here and offered again by the bridge. */
  readonly returned: number;
}

/** To be called before the replicator starts. */
export async function pushAndForget<T extends DocumentBody>(
  collection: Collection<T>,
  replicator: Replicator,
  keepSeconds: number,
): Promise<Forgetting> {
  /** Documents here without an expiration, the newest last. */
  const kept = new Set<string>();
  let newest = '';
  let returned = 0;

  const forget = async (ids: Iterable<string>): Promise<void> => {
    const expiration = new Date(Date.now() + keepSeconds * 1_000);
    const chosen = [...ids].filter((id) => id !== newest && kept.has(id));
    await Promise.all(
      chosen.map(async (id) => {
        await collection.setDocumentExpiration(id, expiration).catch((error: unknown) => ignoreGone(error));
        kept.delete(id); // now, so that what a full disk refused is looked at again
      }),
    );
  };
  /** What is not pending is on the bridge. Saves go on meanwhile: only what was here before is looked at. */
  const look = async (): Promise<void> => {
    const untold = [...kept];
    if (untold.length < 2) return;
    const pending = await replicator.pendingDocumentIDs(collection);
    await forget(untold.filter((id) => !pending.has(id)));
  };

  for await (const { id } of collection.documents()) {
    if (numberOf(id) > numberOf(newest)) newest = id;
    if ((await collection.getDocumentExpiration(id)) === undefined) kept.add(id);
  }
  replicator.on('documents', ({ isPush, documents }) => {
    const ids = documents.filter((document) => document.collection === collection.name && document.error === undefined);
    if (!isPush) {
      returned += ids.length;
      for (const { id } of ids) kept.add(id);
    }
    forget(ids.map(({ id }) => id)).catch(tell);
  });
  let looking: Promise<void> | undefined;
  replicator.on('status', ({ activity }) => {
    if (activity !== 'idle') return;
    looking ??= delay(LOOK_AFTER_MS, undefined, { ref: false })
      .then(look)
      .catch(tell)
      .finally(() => (looking = undefined));
  });
  return {
    saved(ids) {
      for (const id of ids) kept.add(id);
      newest = ids.at(-1) ?? newest;
    },
    get returned() {
      return returned;
    },
  };
}

/** Numbers go on after the highest that is here. 0 for none. */
export function numberOf(id: string): number {
  return Number(/-(\d+)$/.exec(id)?.[1] ?? 0);
}

function ignoreGone(error: unknown): void {
  if (!isHawserError(error) || !GONE.has(error.code)) throw error;
}

/** A full disk, for example: what was to be forgotten is looked at again. */
function tell(error: unknown): void {
  if (!isHawserError(error) || !GONE.has(error.code)) console.error(String(error));
}

const GONE = new Set(['DOCUMENT_NOT_FOUND', 'DATABASE_CLOSED']);
/** A replicator that is busy now and then is idle often. */
const LOOK_AFTER_MS = 5_000;
