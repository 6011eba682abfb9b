/** The command on Nodes that are too old for everything else, and on those that have an SQLite of their own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { findNode24, type FoundNode } from '../support/newer-node.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { doctor, hawser, installedAlone, REPOSITORY } from './run-hawser.js';

const CACHE = join(REPOSITORY, 'node_modules/.cache/hawser');

/** That of Debian 10, of Debian 11, and the one before ours. */
for (const major of [10, 12, 18]) {
  test(`Node ${major} gets a sentence instead of a syntax error`, { timeout: 240_000 }, async (context) => {
    const found = await findOldNode(major);
    if (found.reason !== undefined) return context.skip(found.reason);
    for (const parameters of [['doctor'], ['--help'], ['doctor', '--json']]) {
      const { status, output, errors } = await hawser(parameters, { node: found.path });
      assert.deepEqual({ status, errors }, { status: 1, errors: '' });
      assert.match(output, new RegExp(`This is Node ${major}\\.[\\d.]+; hawser needs 20\\.17 or later\\.`));
    }
    const { output } = await hawser(['doctor', '--json'], { node: found.path });
    const { findings } = JSON.parse(output) as { findings: { name: string; verdict: string; remedy: string }[] };
    assert.equal(findings.length, 1);
    assert.match(findings[0]?.remedy ?? '', /^Install Node \d\d/);
  });
}

test('Node 24 without sqlite3 uses its own', { timeout: 240_000 }, async (context) => {
  const found = await findNode24();
  if (found.reason !== undefined) return context.skip(found.reason);
  const folder = await temporaryDirectory(context);
  const { status, of } = await doctor([folder], { node: found.path, command: await installedAlone(context) });
  assert.equal(status, 0);
  assert.match(of('sqlite').found, /of Node itself \(node:sqlite\)/);
  assert.match(of('sync').found, /\(node:sqlite\)/);
});

/** HAWSER_NODE10 and so on, or the npm package of its binary, installed once into node_modules/.cache. */
async function findOldNode(major: number): Promise<FoundNode> {
  const configured = process.env[`HAWSER_NODE${major}`];
  if (configured !== undefined && configured !== '') return { path: configured };
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(CACHE, `node${major}`);
  const path = join(home, 'node_modules', name, 'bin/node');
  if (existsSync(path)) return { path };
  try {
    await mkdir(CACHE, { recursive: true });
    // Beside its place, so that an installation that was cut short is never taken for one.
    const making = await mkdtemp(`${home}-`);
    try {
      const options = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts', '--prefix', making];
      await promisify(execFile)('npm', ['install', ...options, `${name}@${major}`], { timeout: 180_000 });
      await rename(making, home);
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  } catch {
    if (!existsSync(path)) return { reason: `${name}@${major} cannot be installed; set HAWSER_NODE${major} to one` };
  }
  return { path };
}
