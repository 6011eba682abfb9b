/**
 * A process that is killed at any moment loses nothing that it was told is saved: again and again a writer is killed with
 * SIGKILL, and the folder is opened again.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { seededRandom, silentLogger, type RandomSource } from '../../src/base/index.js';
import { Database, ReplicationStore, splitHistory, type Collection, type Document } from '../../src/database/index.js';
import { cleanup } from '../support/cleanup.js';
import { effort } from '../support/effort.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { turnOfEventLoop } from './fixtures.js';

const ROUNDS = effort(50);
/** A folder is used for so many rounds, so that what was recovered is written to and recovered again. */
const ROUNDS_PER_FOLDER = 10;

interface Writer {
  readonly process: ChildProcessWithoutNullStreams;
  readonly lines: string[];
  /** Resolves when so many lines have come, or the process has ended. */
  told(count: number): Promise<void>;
  readonly ended: Promise<unknown>;
}

/** Starts a writer that waits to be told where to write. */
function startWriter(context: TestContext): Writer {
  const path = fileURLToPath(new URL('../support/writer-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    stdio: 'pipe',
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  child.stdin.on('error', () => undefined); // killed before it could read
  const ended = once(child, 'close');
  cleanup(context, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines: string[] = [];
  let rest = '';
  let look = (): void => undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? ''; // a line that was cut off has not been told
    lines.push(...parts);
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => lines.push(`error ${text}`));
  return {
    process: child,
    lines,
    ended,
    async told(count) {
      const enough = new Promise<void>((resolve) => {
        look = () => {
          if (lines.length >= count) resolve();
        };
      });
      look();
      await Promise.race([enough, ended]);
    },
  };
}

/** What was acknowledged in a folder. */
class Acknowledged {
  readonly #saved = new Map<string, string>();
  readonly #blobs = new Map<string, string>();
  readonly #deleted = new Set<string>();
  readonly #counters = new Map<string, string>();
  readonly #batches = new Map<string, number>();

  read(lines: readonly string[]): void {
    for (const line of lines) {
      const [what, id = '', revisionID = '', text = ''] = line.split(' ');
      if (what === 'saved' || what === 'blob') this.#saved.set(id, revisionID);
      if (what === 'blob') this.#blobs.set(id, text);
      else if (what === 'deleted') this.#deleted.add(id);
      else if (what === 'counter') this.#counters.set(id, revisionID);
      else if (what === 'batch') {
        const [, name = '', number = ''] = /^(.*-batch-)(\d+)$/.exec(id) ?? [];
        this.#batches.set(name, Number(number) + 1);
      } else assert.ok(what === 'saved' || what === 'open', `the writer says: ${line}`);
    }
  }

  get count(): number {
    return this.#saved.size + this.#deleted.size + this.#batches.size;
  }

  async check(database: Database): Promise<void> {
    const collection = database.collection('log');
    const found = await documents(collection, [...this.#saved.keys()]);
    for (const [id, revisionID] of this.#saved) assert.equal(found.get(id)?.revisionID, revisionID, `saved ${id}`);
    for (const [id, text] of this.#blobs) {
      const blob = await database.getBlob(found.get(id)?.body['blob']);
      assert.equal(Buffer.from((await blob?.content()) ?? []).toString(), text, `blob ${id}`);
    }
    const gone = await documents(collection, [...this.#deleted]);
    assert.deepEqual([...gone.keys()], [], 'deleted documents');
    const store = new ReplicationStore(collection as unknown as Collection<never>);
    for (const [id, revisionID] of this.#counters) {
      // The writer may have committed more, and told of it in lines that died with it.
      const [counter] = await store.documents([id]);
      const path = counter === undefined ? [] : [counter.revisionID, ...splitHistory(counter.history)];
      assert.ok(path.includes(revisionID), `${id} is at ${path[0]}, not ${revisionID}`);
    }
    for (const [name, told] of this.#batches) {
      const parts = Array.from(
        { length: (told + 2) * 10 },
        (_, part) => `${name}${Math.floor(part / 10)}-${part % 10}`,
      );
      const there = await documents(collection, parts);
      // All of those told; of the one after them all or nothing; and none beyond that.
      assert.ok(
        there.size === told * 10 || there.size === (told + 1) * 10,
        `${name}: ${there.size} of ${told} batches`,
      );
      assert.ok(
        parts.slice(0, there.size).every((id) => there.has(id)),
        name,
      );
    }
  }
}

async function documents(collection: Collection, ids: readonly string[]): Promise<Map<string, Document>> {
  const found = new Map<string, Document>();
  for (const document of await collection.getMany(ids)) if (document !== undefined) found.set(document.id, document);
  return found;
}

/** Waits until the writer has told enough, and a little more or less, then kills it. */
async function killAtRandom(writer: Writer, random: RandomSource): Promise<string> {
  const choice = random.next();
  const count = choice < 0.1 ? 0 : choice < 0.3 ? 1 : Math.ceil(random.next() ** 2 * 500);
  await writer.told(count);
  const turns = Math.floor(random.next() * (count === 0 ? 10_000 : 20));
  for (let turn = 0; turn < turns; turn++) await turnOfEventLoop();
  writer.process.kill('SIGKILL');
  await writer.ended;
  return `killed after ${count} lines and ${turns} turns`;
}

test(`a writer killed ${ROUNDS} times at random moments loses nothing that was acknowledged`, async (context) => {
  const seed = Number(process.env['HAWSER_TEST_SEED'] ?? '') || (Math.random() * 2 ** 32) >>> 0;
  context.diagnostic(`seed ${seed} (HAWSER_TEST_SEED repeats it)`);
  const random = seededRandom(seed);
  let folder = '';
  let acknowledged = new Acknowledged();
  let total = 0;
  let next = startWriter(context);
  for (let round = 0; round < ROUNDS; round++) {
    if (round % ROUNDS_PER_FOLDER === 0) {
      folder = await temporaryDirectory(context);
      acknowledged = new Acknowledged();
    }
    const writer = next;
    writer.process.stdin.write(`${folder} ${round} ${Math.floor(random.next() * 2 ** 32)}\n`);
    const killed = await killAtRandom(writer, random);
    next = startWriter(context); // it loads while this one's folder is checked
    try {
      acknowledged.read(writer.lines);
      const database = await Database.open(folder, { logger: silentLogger });
      try {
        await acknowledged.check(database);
        assert.deepEqual(await database.integrityCheck(), []);
        const parts = (await readdir(`${folder}/blobs`)).filter((name) => name.endsWith('.part'));
        assert.deepEqual(parts, [], 'unfinished blobs');
      } finally {
        await database.close();
      }
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}, ${killed}: ${String(error)}`, { cause: error });
    }
    total += writer.lines.length;
  }
  context.diagnostic(`${total} acknowledgements in ${ROUNDS} rounds`);
  assert.ok(total > ROUNDS * 20, `${total} acknowledgements are too few to mean anything`);
});
