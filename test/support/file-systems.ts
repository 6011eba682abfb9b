/**
 * Folders on file systems that are small or cannot be written, gone when the test ends. As root they are made by
 * mounting, which not every container allows: where it fails the reason comes back, and the test skips with it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cleanup } from './cleanup.js';

export type MadeDirectory = { readonly path: string; readonly reason?: undefined } | { readonly reason: string };

/** An empty file system of so many KiB. */
export function smallDirectory(context: TestContext, kibibytes: number): MadeDirectory {
  const path = emptyDirectory(context, 'small');
  return mounted(context, path, [['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', path]]);
}

/** What lies in `source`, in a folder that cannot be written. */
export function readOnlyDirectory(context: TestContext, source: string): MadeDirectory {
  const path = emptyDirectory(context, 'readonly');
  // The modes of files mean nothing to root, and mounting is for root only.
  if (process.getuid?.() === 0)
    return mounted(context, path, [
      ['--bind', source, path],
      ['-o', 'remount,ro,bind', path],
    ]);
  cpSync(source, path, { recursive: true });
  execFileSync('chmod', ['-R', 'a-w', path]);
  cleanup(context, () => execFileSync('chmod', ['-R', 'u+w', path]));
  return { path };
}

function emptyDirectory(context: TestContext, kind: string): string {
  const path = mkdtempSync(join(tmpdir(), `hawser-test-${kind}-`));
  chmodSync(path, 0o755);
  cleanup(context, () => rmSync(path, { recursive: true, force: true }));
  return path;
}

function mounted(context: TestContext, path: string, steps: readonly (readonly string[])[]): MadeDirectory {
  for (const [index, step] of steps.entries()) {
    try {
      execFileSync('mount', step, { stdio: 'pipe' });
    } catch (error) {
      const detail = error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error);
      return { reason: `no file system can be mounted here (${detail.trim()})` };
    }
    // Lazily: a file that a failed test left open must not keep it mounted.
    if (index === 0) cleanup(context, () => execFileSync('umount', ['-l', path]));
  }
  return { path };
}
