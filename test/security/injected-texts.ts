/** Texts with which peers try what they should not reach, and how it is found out whether they did. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Database } from '../../src/index.js';
import { cleanup } from '../support/cleanup.js';
import { memoryLogger } from '../support/memory-logger.js';
import type { Peer } from '../support/peers.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Texts that mean something to somebody, all of which a document ID may be. */
export const TEXTS: readonly string[] = [
  "'",
  '"',
  '`',
  "'; DROP TABLE docs_1; --",
  '"); DELETE FROM documents; --',
  "' OR '1'='1",
  ') UNION SELECT * FROM sqlite_master --',
  '/* */',
  '?1',
  ':name',
  '$."a"',
  '$[0]',
  '$.remotes."1"',
  '"\' || x || \'"',
  '%',
  '%%',
  '.',
  '..',
  '*',
  '[a-z]',
  '(a+)+$',
  '^.*$',
  '\\',
  '\\u0000',
  '\\x00',
  '%00',
  '../escaped',
  '../../../../tmp/escaped',
  '..\\..\\escaped',
  '/etc/passwd',
  '%2e%2e%2fescaped',
  '..%252fescaped',
  'blobs/../../escaped',
  'db.sqlite3',
  'file:escaped?mode=memory',
  '~/escaped',
  '$(touch escaped)',
  '`touch escaped`',
  '| touch escaped',
  '${7*7}',
  '{{7*7}}',
  '%s%n%d',
  'constructor',
  'toString',
  '<script>',
  '{"$ref":"x"}',
  'null',
  '0',
  '-1',
  '1e999',
  ' ',
  'a b',
  'ﬁ',
  'é',
  'e\u0301',
  '\u202eexe.txt',
  '\u2028',
  '\u009b2J',
  '\u007f',
  '🚢',
];
/** Those that no document ID may be. */
export const FORBIDDEN = [
  '',
  '_design',
  '__proto__',
  'a\nhawser error [listener] forged',
  '\u001b[2J',
  '\r',
  '\t',
  'x'.repeat(241),
];
export const ALL = [...TEXTS, ...FORBIDDEN];

export interface Ours extends Peer {
  readonly lines: string[];
  /** Every file and folder below the folder above the database's, by its path. */
  readonly tree: () => Promise<string[]>;
}

/** Two folders deep in a temporary one, beside a file that is none of its business. */
export async function openOurs(context: TestContext): Promise<Ours> {
  const root = await temporaryDirectory(context);
  const folder = join(root, 'a', 'b', 'database');
  await mkdir(join(root, 'a', 'b'), { recursive: true });
  await writeFile(join(root, 'a', 'neighbour'), 'untouched');
  const logger = memoryLogger();
  const database = await Database.open(folder, { name: 'ours', logger });
  cleanup(context, () => database.close());
  const metrics = await database.createCollection('metrics');
  return {
    ...{ name: 'ours', database, metrics, lines: logger.lines },
    tree: async () => (await readdir(root, { recursive: true })).sort(),
  };
}

/** Fails unless the database and the folders around it are as they have to be; resolves to the IDs of the documents. */
export async function assertUnharmed(ours: Ours, before: readonly string[]): Promise<string[]> {
  assert.deepEqual(await ours.database.integrityCheck(), []);
  const blobs = `${join('a', 'b', 'database', 'blobs')}/`;
  const added = (await ours.tree()).filter((path) => !before.includes(path) && !/-(wal|shm|journal)$/.test(path));
  for (const path of added) {
    assert.ok(path.startsWith(blobs), path);
    assert.match(path.slice(blobs.length), /^[0-9a-f]{40}$/);
  }
  assert.deepEqual(
    ours.database
      .collections()
      .map(({ name }) => name)
      .sort(),
    ['_default', 'metrics'],
    'a collection was made or lost',
  );
  for (const line of ours.lines) assert.match(line, /^\P{Cc}*$/u, 'a line with control characters');
  const ids: string[] = [];
  for await (const { id } of ours.metrics.documents()) ids.push(id);
  return ids.sort();
}
