/**
 * A Node of version 24, for what the Node that runs the tests may be too old for: the one HAWSER_NODE24 names, or else the
 * npm package of its binary, installed once into node_modules/.cache. Without network the reason comes back, and the test
 * skips with it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export type FoundNode = { readonly path: string; readonly reason?: undefined } | { readonly reason: string };

export async function findNode24(): Promise<FoundNode> {
  const configured = process.env['HAWSER_NODE24'];
  if (configured !== undefined && configured !== '') {
    return existsSync(configured)
      ? { path: configured }
      : { reason: `HAWSER_NODE24 names ${configured}, which does not exist` };
  }
  const name = `node-${process.platform}-${process.arch}`;
  const path = join(CACHE, 'node24', 'node_modules', name, 'bin', 'node');
  if (existsSync(path)) return { path };
  try {
    await mkdir(CACHE, { recursive: true });
    // Beside its place, so that an installation that was cut short is never taken for one.
    const making = await mkdtemp(join(CACHE, 'node24-'));
    try {
      const options = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts', '--prefix', making];
      await promisify(execFile)('npm', ['install', ...options, `${name}@24`], { timeout: INSTALL_TIMEOUT_MS });
      await rename(join(making), join(CACHE, 'node24'));
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  } catch (error) {
    if (!existsSync(path)) {
      const detail =
        error instanceof Error ? error.message.split('\n').find((line) => line.includes('ERR!')) : undefined;
      return { reason: `${name}@24 cannot be installed (${detail ?? 'npm failed'}); set HAWSER_NODE24 to a Node 24` };
    }
  }
  return { path };
}

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/hawser', import.meta.url));
const INSTALL_TIMEOUT_MS = 180_000;
