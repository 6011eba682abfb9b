/** Many tasks at once, everything random but for the seed; afterwards the database holds what a simple model says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, type RandomSource } from '../../src/base/index.js';
import { Blob, type Collection, type Database } from '../../src/database/index.js';
import { isHawserError } from '../../src/errors.js';
import { openAt, openDatabase } from './fixtures.js';

type Body = { owner: number; n: number; blob?: unknown };

/** What a task knows of the documents that only it writes. */
type Model = Map<string, { readonly n: number; readonly content?: string; readonly revisionID: string }>;

const COLLECTIONS = ['metrics', 'alarms', 'log'];

class Task {
  readonly model: Model = new Map();
  readonly #number: number;
  readonly #databases: readonly Database[];
  readonly #random: RandomSource;
  #count = 0;

  constructor(number: number, databases: readonly Database[], random: RandomSource) {
    this.#number = number;
    this.#databases = databases;
    this.#random = random;
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random.next() * items.length)];
    assert.ok(item !== undefined);
    return item;
  }

  #collection(name: string): Collection<Body> {
    return this.#pick(this.#databases).collection<Body>(name);
  }

  async #step(): Promise<void> {
    const name = this.#pick(COLLECTIONS);
    const id = `task-${this.#number}-${Math.floor(this.#random.next() * 12)}`;
    const key = `${name}/${id}`;
    const known = this.model.get(key);
    const body: Body = { owner: this.#number, n: this.#count++ };
    const choice = this.#random.next();
    if (choice < 0.35) {
      const options = this.#random.next() < 0.5 ? {} : { ifRevision: known?.revisionID ?? null };
      const saved = await this.#collection(name).save(id, body, options);
      this.model.set(key, { n: body.n, revisionID: saved.revisionID });
    } else if (choice < 0.4) {
      const content = `content ${Math.floor(this.#random.next() * 20)}`;
      const blob = new Blob('text/plain', Buffer.from(content));
      const saved = await this.#collection(name).save(id, { ...body, blob });
      this.model.set(key, { n: body.n, content, revisionID: saved.revisionID });
    } else if (choice < 0.55) {
      const found = await this.#collection(name).get(id);
      assert.deepEqual([found?.revisionID, found?.body.n], [known?.revisionID, known?.n], key);
    } else if (choice < 0.7) {
      await expected(this.#collection(name).delete(id), known === undefined ? 'DOCUMENT_NOT_FOUND' : undefined);
      this.model.delete(key);
    } else if (choice < 0.78) {
      // A tombstone can be purged as well, and this model has none.
      await expected(this.#collection(name).purge(id), known === undefined ? 'maybe' : undefined);
      this.model.delete(key);
    } else if (choice < 0.9) {
      await this.#batch(name, id, body);
    } else if (choice < 0.94) {
      await this.#pick(this.#databases)
        .collection<Body>('shared')
        .save(
          'sum',
          { owner: 0, n: 1 },
          { onConflict: ({ current }) => ({ owner: 0, n: (current?.body.n ?? 0) + 1 }) },
        );
      this.model.set('added', { n: (this.model.get('added')?.n ?? 0) + 1, revisionID: '' });
    } else if (choice < 0.96) {
      await this.#pick(this.#databases).compact();
    } else if (choice < 0.98) {
      await this.#collection(name).count();
    } else {
      for await (const document of this.#collection(name).documents()) assert.equal(typeof document.body.n, 'number');
    }
  }

  async #batch(name: string, id: string, body: Body): Promise<void> {
    const isCommitted = this.#random.next() < 0.6;
    const before = new Map(this.model);
    try {
      await this.#pick(this.#databases).inBatch(async (batch) => {
        const first = await batch.collection<Body>(name).save(id, body);
        this.model.set(`${name}/${id}`, { n: body.n, revisionID: first.revisionID });
        const other = this.#pick(COLLECTIONS);
        const second = await batch.collection<Body>(other).save(`${id}-b`, body);
        this.model.set(`${other}/${id}-b`, { n: body.n, revisionID: second.revisionID });
        assert.equal((await batch.collection<Body>(name).get(id))?.body.n, body.n);
        if (!isCommitted) throw new Error('changed my mind');
      });
    } catch (error) {
      if (isCommitted) throw error;
      assert.match(String(error), /changed my mind/);
      this.model.clear();
      for (const [key, value] of before) this.model.set(key, value);
    }
  }
}

async function expected(work: Promise<void>, code: 'DOCUMENT_NOT_FOUND' | 'maybe' | undefined): Promise<void> {
  try {
    await work;
    assert.notEqual(code, 'DOCUMENT_NOT_FOUND');
  } catch (error) {
    assert.ok(code !== undefined && isHawserError(error) && error.code === 'DOCUMENT_NOT_FOUND', String(error));
  }
}

async function check(database: Database, tasks: readonly Task[]): Promise<void> {
  let added = 0;
  const wanted = new Map<string, { readonly n: number; readonly content?: string; readonly revisionID: string }>();
  for (const task of tasks) {
    for (const [key, value] of task.model) {
      if (key === 'added') added += value.n;
      else wanted.set(key, value);
    }
  }
  for (const name of COLLECTIONS) {
    let count = 0;
    const sequences = new Set<number>();
    for await (const document of database.collection<Body>(name).documents()) {
      const key = `${name}/${document.id}`;
      const value = wanted.get(key);
      assert.deepEqual([document.revisionID, document.body.n], [value?.revisionID, value?.n], key);
      if (value?.content !== undefined) {
        const blob = await database.getBlob(document.body.blob);
        assert.equal(Buffer.from((await blob?.content()) ?? []).toString(), value.content, key);
      }
      sequences.add(document.sequence);
      wanted.delete(key);
      count++;
    }
    assert.equal(await database.collection(name).count(), count);
    assert.equal(sequences.size, count, 'every document has a sequence of its own');
  }
  assert.deepEqual([...wanted.keys()], [], 'no document is missing');
  assert.equal((await database.collection<Body>('shared').get('sum'))?.body.n ?? 0, added);
  assert.deepEqual(await database.integrityCheck(), []);
}

for (const seed of [1, 2, 3]) {
  test(`tasks that create, read, update, delete, purge, batch and compact at once agree with the model, seed ${seed}`, async (context) => {
    const first = await openDatabase(context);
    const databases = [first, await openAt(context, first.path), await openAt(context, first.path)];
    const random = seededRandom(seed);
    const tasks = Array.from(
      { length: 16 },
      (_, number) => new Task(number, databases, seededRandom(random.next() * 2 ** 32)),
    );
    const seen: string[] = [];
    for (const database of databases)
      database.collection('metrics').on('change', ({ documentIDs }) => seen.push(...documentIDs));
    await Promise.all(tasks.map((task) => task.run(120)));
    assert.ok(seen.length > 0);
    await check(first, tasks);
    for (const database of databases) await database.close();
    await check(await openAt(context, first.path), tasks);
  });
}
