/**
 * What examples call equal, on real databases: their exit status hangs on it. Looks at dist/ through the public names, hence an import
 * that the type check of the tests, which comes before dist/ is built, does not follow.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { Database } from '../../src/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

interface Store {
  readonly who: string;
  readonly folder: string;
  readonly collection: string;
}
type Compare = (sources: readonly Store[], target: Store) => Promise<{ passed: boolean; text: string }>;

const module = new URL('../../device-examples/shared/compare.ts', import.meta.url).href;
const { compare } = (await import(module)) as { compare: Compare };

/** A database whose documents are saved as often as their list of values is long. */
async function store(
  root: string,
  who: string,
  documents: Readonly<Record<string, readonly number[]>>,
): Promise<Store> {
  const folder = join(root, who);
  const database = await Database.open(folder);
  const readings = database.collection('readings');
  for (const [id, values] of Object.entries(documents)) {
    for (const value of values) await readings.save(id, { value });
  }
  await database.close();
  return { who, folder, collection: 'readings' };
}

async function result(context: TestContext, ...all: readonly Readonly<Record<string, readonly number[]>>[]) {
  const root = await temporaryDirectory(context);
  const stores = await Promise.all(all.map((documents, index) => store(root, `database-${index}`, documents)));
  const target = stores.pop();
  assert.ok(target !== undefined);
  return compare(stores, target);
}

describe('the comparison of the examples', () => {
  test('passes when the target has what all sources have', async (context) => {
    assert.deepEqual(await result(context, { a: [1] }, { b: [2, 3] }, { a: [1], b: [2, 3] }), {
      passed: true,
      text: 'database-0, database-1 and database-2 have 2 documents equal by ID, revision and body',
    });
  });

  for (const [title, source, target, text] of [
    ['a document that is missing', { a: [1], b: [2] }, { a: [1] }, /1 documents are wrong: b is missing on database-1/],
    ['a document of nobody', { a: [1] }, { a: [1], b: [2] }, /b on database-1 is of nobody/],
    ['another body', { a: [1] }, { a: [2] }, /a on database-1 is different/],
    ['another revision with the same body', { a: [1] }, { a: [2, 1] }, /a on database-1 is different/],
    ['nothing at all', {}, {}, /have 0 documents/],
  ] as const) {
    test(`fails for ${title}`, async (context) => {
      const { passed, text: said } = await result(context, source, target);
      assert.match(said, text);
      assert.equal(passed, false);
    });
  }

  test('fails for a document that is different at two sources', async (context) => {
    const { passed, text } = await result(context, { a: [1] }, { a: [2] }, { a: [2] });
    assert.match(text, /a of database-1 is different/);
    assert.equal(passed, false);
  });
});
