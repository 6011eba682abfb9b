/** What a device has acknowledged, and whether a database that was recovered keeps to it. */
import assert from 'node:assert/strict';
import { ReplicationStore, type Collection, type Database } from '../../src/database/index.js';
import { generationOf } from '../../src/revision/index.js';

/** The content of the blob that `device-process.mjs` saves with a document. */
export function blobTextOf(id: string): string {
  return `content of ${id} `.repeat(100);
}

interface Acknowledged {
  readonly revisionID: string;
  readonly sequence: number;
}

export class LogBook {
  readonly #saved = new Map<string, Acknowledged>();
  /** The sequence of the last document of each. */
  readonly #batches = new Map<string, number>();
  /** Batches that were begun since the last check. */
  readonly #begun = new Set<string>();
  /** What was acknowledged before the last flush of the whole disk. */
  #flushed:
    { readonly saved: ReadonlyMap<string, Acknowledged>; readonly batches: ReadonlyMap<string, number> } | undefined;
  /** What was said when the power was gone already: it may be there or not. */
  readonly #unsure = new Set<string>();
  #isCut = false;
  /** Documents acknowledged in all, and how many of them a device without `fullSync` has lost. */
  acknowledged = 0;
  lost = 0;

  read(line: string): void {
    const [what, id = '', revisionID = '', sequence = ''] = line.split(' ');
    if (this.#isCut && what !== 'begin') this.#unsure.add(id);
    if (what === 'begin') this.#begun.add(id);
    if (what === 'saved') {
      const known = this.#saved.get(id);
      // Two saves of a document that end together are told in either order.
      if (known === undefined || known.sequence < Number(sequence))
        this.#saved.set(id, { revisionID, sequence: Number(sequence) });
      this.acknowledged++;
    }
    if (what === 'batch') {
      this.#batches.set(id, Number(revisionID));
      this.acknowledged += 10;
    }
  }

  /** To be called before everything is flushed. */
  aboutToFlush(): () => void {
    const flushed = { saved: new Map(this.#saved), batches: new Map(this.#batches) };
    return () => (this.#flushed = flushed);
  }

  /** What is read from now on was said after the power was cut. */
  cut(): void {
    this.#isCut = true;
  }

  /**
   * Checks a database after its device was killed, before it syncs again; forgets what it was free to lose.
   *
   * @param mayLose whether the last commits may be missing
   */
  async check(database: Database, mayLose: boolean): Promise<void> {
    const collection = database.collection('log');
    const store = new ReplicationStore(collection as unknown as Collection<never>);
    const found = new Map<string, Acknowledged>();
    const batches = new Set([...this.#begun, ...this.#batches.keys()]);
    const ids = [...this.#saved.keys(), ...[...batches].flatMap(partsOf)];
    for (let from = 0; from < ids.length; from += 1_000) {
      for (const document of await store.documents(ids.slice(from, from + 1_000)))
        if (document !== undefined) found.set(document.id, document);
    }
    const isThere = (id: string, { revisionID }: Acknowledged): boolean =>
      generationOf(found.get(id)?.revisionID ?? '0-0') >= generationOf(revisionID);

    let lost = 0;
    const expectLast = (id: string, what: string, sequence: number): void => {
      assert.ok(mayLose || this.#unsure.has(id), `${what} was acknowledged and is gone`);
      // Sequences are given in the order of commits: what is left must be all up to the last, or there is a hole.
      const last = store.lastSequence;
      assert.ok(sequence > last, `${what} with sequence ${sequence} is gone and ${last} is there: a hole`);
    };
    for (const [id, saved] of this.#saved) {
      if (isThere(id, saved)) continue;
      expectLast(id, `${id} ${saved.revisionID}`, saved.sequence);
      this.#saved.delete(id);
      lost++;
    }
    for (const name of batches) {
      const parts = partsOf(name).filter((id) => found.has(id)).length;
      assert.ok(parts === 0 || parts === 10, `${parts} of 10 documents of the batch ${name} are there`);
      const sequence = this.#batches.get(name);
      if (parts > 0 || sequence === undefined) continue;
      expectLast(name, `the batch ${name}`, sequence);
      this.#batches.delete(name);
      lost += 10;
    }
    for (const [id, saved] of this.#flushed?.saved ?? [])
      assert.ok(isThere(id, saved), `${id} ${saved.revisionID} was flushed and is gone`);
    for (const [name] of this.#flushed?.batches ?? [])
      assert.ok(found.has(`${name}-0`), `the batch ${name} was flushed and is gone`);
    this.#flushed = undefined;
    this.#begun.clear();
    this.#unsure.clear();
    this.#isCut = false;
    this.lost += lost;
  }
}

/** Every document that refers to a blob has it, and it is what was saved. */
export async function checkBlobs(database: Database): Promise<number> {
  let count = 0;
  for await (const { id, body } of database.collection('log').documents()) {
    if (body['blob'] === undefined) continue;
    const blob = await database.getBlob(body['blob']);
    assert.ok(blob !== undefined, `the blob of ${id} is not there`);
    assert.equal(Buffer.from(await blob.content()).toString(), blobTextOf(id), `the blob of ${id}`);
    count++;
  }
  return count;
}

function partsOf(name: string): string[] {
  return Array.from({ length: 10 }, (_, part) => `${name}-${part}`);
}
