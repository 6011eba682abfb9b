/**
 * The storage on the driver node:sqlite. A Node that has it runs the suite here; an older one runs this same file in a
 * Node 24 (see test/support/newer-node.ts) and looks at what comes out.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStorage, type Storage, type StorageOptions } from '../../src/storage/index.js';
import { document, documents, everything, put } from '../conformance/storage-fixtures.js';
import { storageConformance } from '../conformance/storage.conformance.js';
import { findNode24 } from '../support/newer-node.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

function openWith(
  driver: StorageOptions['driver'],
): (directory: string, options?: Partial<StorageOptions>) => Promise<Storage> {
  return (directory, options) => openStorage({ directory, fullSync: false, ...options, driver });
}

if (process.getBuiltinModule('node:sqlite') !== undefined) {
  storageConformance('node:sqlite', openWith('node:sqlite'));

  test('each driver reads and writes what the other wrote', async (context) => {
    const directory = await temporaryDirectory(context);
    const odd = [
      document(1, { id: '\0\x02é😀', body: '{"d":1.0,"t":"\\u0000"}' }),
      document(2, { expiresAt: 1_764_000_000_000 }),
    ];
    const first = await openWith('sqlite3')(directory);
    const { key } = await first.transaction((transaction) => transaction.createCollection('_default', 'things'));
    await put(first, key, odd);
    await first.close();
    const second = await openWith('node:sqlite')(directory);
    assert.deepEqual(await everything(second, key), odd);
    await put(second, key, documents(3, 500));
    await second.close();
    const third = await openWith('sqlite3')(directory);
    assert.deepEqual(await everything(third, key), [...odd, ...documents(3, 500)]);
    assert.deepEqual(await third.integrityCheck(), []);
    await third.close();
  });
} else {
  test('the suite passes on node:sqlite, in a Node 24', async (context) => {
    const node = await findNode24();
    if (node.reason !== undefined) return context.skip(node.reason);
    const file = fileURLToPath(import.meta.url);
    const child = spawn(node.path, ['--import', 'tsx', '--test-reporter=tap', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_NO_WARNINGS: '1' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    await once(child, 'close');
    const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? NaN);
    assert.equal(child.exitCode, 0, output);
    assert.equal(count('fail'), 0, output);
    assert.ok(count('pass') >= 60, output);
    for (const [line] of output.matchAll(/^ *ok .*# SKIP.*$/gm)) context.diagnostic(line.trim());
    context.diagnostic(`${count('pass')} tests passed, ${count('skipped')} skipped`);
  });
}
