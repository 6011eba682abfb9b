/**
 * Builds dist/ with tsup. `--if-stale` does nothing when dist/ was built from the sources as they are; `--check` builds
 * nothing and says by its exit status whether that is so. The stamp is written last and beside dist/, not in it: a build
 * that was cut short counts as stale, and the package ships no stamp.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = `${root}node_modules/.cache/hawser/build-stamp`;
const SOURCES = [
  'src',
  'transports',
  'cli',
  'test/conformance',
  'package-lock.json',
  'tsconfig.json',
  'tsup.config.ts',
];

/** One digest over the paths and contents of everything the build reads. */
function digestOfSources() {
  const hash = createHash('sha256');
  const files = SOURCES.flatMap((source) =>
    /\.\w+$/.test(source)
      ? [source]
      : readdirSync(root + source, { recursive: true }).map((path) => `${source}/${path.replaceAll('\\', '/')}`),
  ).filter((path) => /\.(ts|json)$/.test(path) && existsSync(root + path));
  for (const path of files.sort())
    hash
      .update(`${path}\0`)
      .update(readFileSync(root + path))
      .update('\0');
  return hash.digest('hex');
}

function isFresh(digest) {
  return existsSync(`${root}dist`) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest;
}

const digest = digestOfSources();
if (process.argv.includes('--check')) process.exit(isFresh(digest) ? 0 : 1);
if (!process.argv.includes('--if-stale') || !isFresh(digest)) {
  console.log('Building dist/ with tsup.');
  rmSync(stampFile, { force: true });
  rmSync(`${root}dist`, { recursive: true, force: true });
  const { status } = spawnSync(process.execPath, [`${root}node_modules/tsup/dist/cli-default.js`, '--silent'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  mkdirSync(`${root}node_modules/.cache/hawser`, { recursive: true });
  writeFileSync(stampFile, digest);
}
