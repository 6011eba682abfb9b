/** How SQLite carries the statements out: by an index, without sorting, whatever is in the table. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Connection } from '../../../src/storage/sqlite/connection.js';
import { loadDriver } from '../../../src/storage/sqlite/load-driver.js';
import { createCollectionTable } from '../../../src/storage/sqlite/schema.js';
import { Statements, type CollectionStatements } from '../../../src/storage/sqlite/statements.js';
import { cleanup } from '../../support/cleanup.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

const NEWEST = [3, 52, 0];
/** Without `jsonb_each`. */
const OLDER = [3, 46, 1];

async function emptyCollection(context: TestContext): Promise<Connection> {
  const file = `${await temporaryDirectory(context)}/a`;
  const setup = `CREATE TABLE collections(key INTEGER PRIMARY KEY, last_sequence INTEGER); ${createCollectionTable(1)}`;
  const connection = await Connection.open(await loadDriver('auto'), file, setup);
  cleanup(context, () => connection.close());
  return connection;
}

function textsOf(statements: CollectionStatements): [string, string][] {
  const feeds: [string, string][] = [];
  for (const activeOnly of [false, true]) {
    for (const conflictedOnly of [false, true]) {
      for (const bounded of [false, true]) {
        const filter = { activeOnly, conflictedOnly, bounded };
        feeds.push([`feed ${JSON.stringify(filter)}`, statements.feed(filter)]);
      }
    }
  }
  const { feed: _, ...others } = statements;
  return [...Object.entries(others), ...feeds];
}

for (const version of [NEWEST, OLDER]) {
  test(`no statement for SQLite ${version.join('.')} sorts or reads a collection from end to end`, async (context) => {
    const connection = await emptyCollection(context);
    for (const [name, sql] of textsOf(new Statements(version).for(1))) {
      const plan = (await connection.all(`EXPLAIN QUERY PLAN ${sql}`)).map((row) => String(row['detail']));
      for (const step of plan) {
        assert.doesNotMatch(step, /TEMP B-TREE/, `${name}: ${plan.join('; ')}`);
        // Counting walks the index of IDs, which has nothing of the documents in it.
        if (name !== 'count') assert.doesNotMatch(step, /SCAN (d|docs_1)\b/, `${name}: ${plan.join('; ')}`);
        assert.doesNotMatch(step, /SCAN (d|docs_1)$/, `${name}: ${plan.join('; ')}`);
      }
    }
  });
}

test('both ways of reading a batch yield the same rows', async (context) => {
  const connection = await emptyCollection(context);
  const newest = new Statements(NEWEST).for(1);
  const older = new Statements(OLDER).for(1);
  const text = '\0\x01"\\é\u2028😀';
  const row = (sequence: number): unknown[] => [
    sequence,
    `${text}${sequence}`,
    1,
    1_764_000_000_000,
    '2-b',
    '1-a',
    null,
    null,
    '[]',
    `{"${text}":1.0}`,
  ];
  await connection.run(newest.putDocuments, [JSON.stringify([row(1)])]);
  await connection.run(older.putDocuments, [JSON.stringify([row(2)])]);
  const pairs = JSON.stringify([`${text}1`, `${text}2`].map((id) => [id, '1-a']));
  await connection.run(newest.setRemoteRevisions, ['1', pairs]);
  await connection.run(older.setRemoteRevisions, ['2', pairs]);
  const rows = await connection.all(
    'SELECT flags, expires_at, revision, history, remotes, conflicts, bases, body FROM docs_1',
  );
  assert.equal(rows.length, 2);
  assert.deepEqual({ ...rows[0] }, { ...rows[1] });
  assert.equal(rows[0]?.['remotes'], '{"1":"1-a","2":"1-a"}');
});
