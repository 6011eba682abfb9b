/**
 * The package as package.json promises it: every subpath in both module systems, the same names in each, one copy of each
 * class, nothing heavy loaded before it is used. Looks at dist/, so that comes first: `npm run build`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${repository}package.json`, 'utf8'));
const lazy = ['ws', 'mqtt', 'serialport', '@serialport/stream', '@serialport/bindings-cpp', 'node-forge', 'sqlite3'];

/** `hawser`, `hawser/websocket`, …: every subpath with code. */
const publicNames = Object.keys(manifest.exports)
  .filter((subpath) => !subpath.endsWith('.json'))
  .map((subpath) => `${manifest.name}${subpath.slice(1)}`);

function node(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: repository, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Evaluates an ES module in a Node of its own and returns what it printed last, as JSON. */
function evaluate(source: string): unknown {
  return JSON.parse(node('--input-type=module', '--eval', source).trim().split('\n').at(-1) ?? '');
}

/**
 * Which packages a statement loads, as Node itself sees it: modules resolved through `import`, the cache of CommonJS
 * modules, and the native libraries mapped into the process.
 */
function packagesLoadedBy(statement: string): string[] {
  const hooks = `
    import { writeSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      writeSync(1, found.url + '\\n');
      return found;
    }`;
  const probe = `
    import { createRequire, register } from 'node:module';
    const require = createRequire(${JSON.stringify(`${repository}package.json`)});
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});
    const load = new Function('require', 'load', ${JSON.stringify(`return ${statement}`)});
    await load(require, (name) => import(name));
    const loaded = [...Object.keys(require('node:module')._cache), ...process.report.getReport().sharedObjects];
    process.stdout.write(loaded.join('\\n') + '\\n');`;
  const modules = node('--input-type=module', '--eval', probe).split('\n');
  const packages = modules.map((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(packages.filter((name) => name !== undefined))].sort();
}

/** The files of dist/ whose name matches. */
function builtFiles(extension: RegExp): [path: string, text: string][] {
  return readdirSync(`${repository}dist`)
    .filter((path) => extension.test(path))
    .map((path) => [path, readFileSync(`${repository}dist/${path}`, 'utf8')]);
}

test('dist/ was built from the sources as they are', () => {
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs', '--check'], { cwd: repository });
  assert.equal(status, 0, 'dist/ is missing or older than the sources: run npm run build');
});

describe('the exports of package.json', () => {
  test('name files that exist', () => {
    const paths = JSON.stringify(manifest.exports).match(/"\.\/[^"]+\.(js|cjs|ts|cts|json)"/g) ?? [];
    assert.ok(paths.length > 4 * publicNames.length);
    for (const path of [...paths.map((quoted) => JSON.parse(quoted)), manifest.main, manifest.types]) {
      assert.ok(existsSync(repository + path), `${path} does not exist`);
    }
  });

  for (const name of publicNames) {
    test(`${name} has the same names as an ES module and in CommonJS`, () => {
      const [esm, cjs] = evaluate(`
        import { createRequire } from 'node:module';
        const names = (module) => Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports').sort();
        const require = createRequire(${JSON.stringify(`${repository}package.json`)});
        console.log(JSON.stringify([names(await import('${name}')), names(require('${name}'))]));`) as [
        string[],
        string[],
      ];
      assert.deepEqual(esm, cjs);
      assert.notDeepEqual(esm, []);
    });
  }

  test('let no inner file through', () => {
    const code = evaluate(
      `console.log(JSON.stringify(await import('hawser/dist/index.js').then(() => 'loaded', (e) => e.code)))`,
    );
    assert.equal(code, 'ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

describe('what is loaded', () => {
  test('is seen by the probe: imported, required and native modules', () => {
    assert.deepEqual(packagesLoadedBy(`load('ws')`), ['ws']);
    assert.deepEqual(packagesLoadedBy(`require('node-forge')`), ['node-forge']);
    assert.ok(packagesLoadedBy(`require('sqlite3')`).includes('sqlite3'));
    assert.ok(packagesLoadedBy(`load('prettier')`).includes('prettier'), 'a package of ES modules alone');
  });

  for (const name of publicNames) {
    test(`${name} loads ${name === 'hawser/websocket' ? 'no library but ws' : 'no library at all'}`, () => {
      const allowed = name === 'hawser/websocket' ? ['ws'] : [];
      for (const way of [`load('${name}')`, `require('${name}')`]) {
        const loaded = packagesLoadedBy(way);
        assert.deepEqual(
          loaded.filter((library) => !allowed.includes(library)),
          [],
          way,
        );
      }
    });
  }

  test('is never a library named by a static import or require', () => {
    const heavy = lazy.filter((library) => library !== 'ws').join('|');
    for (const [path, text] of builtFiles(/\.c?js$/)) {
      assert.doesNotMatch(
        text,
        new RegExp(`^(import|export) .*['"](${heavy})['"]|^(var|const) .*require\\(['"](${heavy})['"]`, 'm'),
        path,
      );
    }
  });
});

describe('the built files', () => {
  test('hold one copy of each error class a module system, whichever subpath it is reached through', () => {
    for (const [format, extension] of [
      ['ESM', /\.js$/],
      ['CommonJS', /\.cjs$/],
    ] as const) {
      for (const name of ['HawserError', 'MessagingError']) {
        const holders = builtFiles(extension).filter(
          ([, text]) =>
            new RegExp(`\\bclass( ${name})? extends (Error|HawserError)\\b`).test(text) &&
            new RegExp(`\\b${name}\\s*=\\s*class\\b|\\bclass ${name}\\b`).test(text),
        );
        assert.equal(holders.length, 1, `${name} is in ${holders.length} ${format} files`);
      }
    }
  });

  test('recognise an error of the other module system by its brand', () => {
    const seen = evaluate(`
      import { createRequire } from 'node:module';
      import { HawserError, isHawserError } from 'hawser';
      const cjs = createRequire(${JSON.stringify(`${repository}package.json`)})('hawser');
      const error = new cjs.HawserError('ABORTED', 'made in CommonJS');
      console.log(JSON.stringify([isHawserError(error), cjs.isHawserError(new HawserError('ABORTED', 'made in ESM')), error.code, isHawserError(new Error('x'))]));`);
    assert.deepEqual(seen, [true, true, 'ABORTED', false]);
  });

  test('ask for the types of no package but Node', () => {
    for (const [path, text] of builtFiles(/\.d\.c?ts$/)) {
      const packages = [...text.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1] ?? '');
      assert.deepEqual(
        packages.filter((specifier) => !/^(\.|node:)/.test(specifier)),
        [],
        path,
      );
      assert.doesNotMatch(text, /<reference types="(?!node")/, path);
    }
  });

  test('keep the prefix of built-in modules and take in no code of other packages', () => {
    for (const [path, text] of builtFiles(/\.c?js$/)) {
      assert.doesNotMatch(text, /(from|require\(|import\() ?['"](sqlite|test|test\/reporters)['"]/, path);
      assert.doesNotMatch(text, /^\/\/ .*node_modules\//m, path);
    }
  });
});

test('the lock file leaves the choice of a registry to the one who installs', () => {
  assert.doesNotMatch(readFileSync(`${repository}package-lock.json`, 'utf8'), /"resolved"|https?:\/\/registry\b/);
});
