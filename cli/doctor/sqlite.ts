/** Which SQLite there is: the package sqlite3, or the one in Node. Where there is none, why, and what it takes. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ok, problem, warning, type Finding } from './finding.js';
import { findProgram, firstOutput } from './programs.js';
import { PACKAGE_FOLDER } from '../own-package.js';

/** What loading the package came to: the version of its SQLite, or in what way it failed. */
export type Sqlite3 =
  | { readonly version: string }
  | { readonly failure: 'absent' | 'incomplete' | 'not built' | 'foreign' | 'crash'; readonly message: string };

type Failed = Extract<Sqlite3, { readonly failure: unknown }>;

export interface SqliteFacts {
  readonly sqlite3: Sqlite3;
  /** The version of the SQLite in Node; undefined without one. */
  readonly builtin: string | undefined;
  /** Asked where there is none; undefined where that was not needed. */
  readonly tools: BuildTools | undefined;
}

/** What npm needs to compile a package. */
export interface BuildTools {
  readonly compiler: boolean;
  readonly make: boolean;
  readonly python: boolean;
  /** Whether npm is told to run no install scripts at all. */
  readonly scriptsAreOff: boolean;
  /** The major version; undefined without npm. From 12 on it runs only the scripts that package.json allows. */
  readonly npm: number | undefined;
  readonly headers: boolean;
}

export async function checkSqlite(): Promise<Finding> {
  const sqlite3 = await loadSqlite3();
  const builtin = builtinVersion();
  const isEnough = 'version' in sqlite3 || (builtin !== undefined && sqlite3.failure === 'absent');
  return judgeSqlite({ sqlite3, builtin, tools: isEnough ? undefined : await buildTools() });
}

export function judgeSqlite({ sqlite3, builtin, tools }: SqliteFacts): Finding {
  if ('version' in sqlite3) return ok('sqlite', `SQLite ${sqlite3.version}, of the package sqlite3.`);
  const why = reasonOf(sqlite3);
  if (sqlite3.failure === 'crash') {
    // hawser would load it too.
    return problem(
      'sqlite',
      why,
      'Remove node_modules/sqlite3, and build it on this machine: npm install sqlite3 --build-from-source.',
    );
  }
  if (builtin !== undefined) {
    const found = `SQLite ${builtin}, of Node itself (node:sqlite): ${why} It works on the event loop.`;
    if (sqlite3.failure === 'absent') return ok('sqlite', found);
    return warning('sqlite', found, `It works like that. For the package: ${stepsFor(sqlite3, tools)}. Or remove it.`);
  }
  const found = `There is no SQLite: ${why} Node ${process.versions.node} has none of its own.`;
  return problem('sqlite', `${found} ${toolsFound(tools)}`.trim(), remedyOf(sqlite3, tools));
}

function reasonOf({ failure, message }: Failed): string {
  switch (failure) {
    case 'absent':
      return 'the package sqlite3 is not installed.';
    case 'not built':
      return 'the package sqlite3 is there, but was never built.';
    case 'incomplete':
      return `the package sqlite3 is there, but incomplete (${message}).`;
    case 'foreign':
      return `the package sqlite3 was built for another machine (${message.replace(/^\/\S*\//, '')}).`;
    case 'crash':
      return `Loading the package sqlite3 ends Node (${message}): it was built for another processor.`;
  }
}

function toolsFound(tools: BuildTools | undefined): string {
  if (tools === undefined) return '';
  const { compiler, make, python, scriptsAreOff, npm } = tools;
  const missing = [...(compiler ? [] : ['a C++ compiler']), ...(make ? [] : ['make']), ...(python ? [] : ['python3'])];
  return [
    missing.length === 0 ? 'What compiles it is here.' : `To compile it, this machine lacks ${missing.join(', ')}.`,
    ...(npm === undefined ? ['There is no npm.'] : []),
    ...(scriptsAreOff ? ['npm is told to run no install scripts.'] : []),
    ...(npm !== undefined && npm >= 12
      ? [`npm ${npm} runs no install scripts but those that package.json allows.`]
      : []),
  ].join(' ');
}

function remedyOf(sqlite3: Failed, tools: BuildTools | undefined): string {
  const newer = `Easiest: Node ${NEWER}, which has an SQLite of its own and needs no compiler. Or stay with this Node:`;
  const offline = tools?.headers === true ? ' Without internet, before it: export npm_config_nodedir=/usr.' : '';
  // Of a package whose build has failed npm leaves nothing, and the file would have no place.
  const place = sqlite3.failure === 'absent' ? 'here npm install --ignore-scripts sqlite3, then ' : '';
  const copy = `build it on a machine with the same processor and C library: ${place}copy ${ADDON} from there.`;
  return `${newer} ${stepsFor(sqlite3, tools)}.${offline} Or ${copy}`;
}

/** In the order in which it has to be done. */
function stepsFor({ failure }: Failed, tools: BuildTools | undefined): string {
  const hasTools = tools === undefined || (tools.compiler && tools.make && tools.python);
  // What was downloaded and does not load would be downloaded again.
  const rebuild = `npm rebuild sqlite3${failure === 'foreign' ? ' --build-from-source' : ''}`;
  const steps = [
    ...(hasTools ? [] : [installTools()]),
    ...(tools?.scriptsAreOff === true ? ['npm config set ignore-scripts false'] : []),
    ...((tools?.npm ?? 0) >= 12 ? ['npm install-scripts approve sqlite3'] : []),
    failure === 'absent' || failure === 'incomplete' ? 'npm install sqlite3' : rebuild,
  ];
  return steps.join(', then ');
}

function installTools(): string {
  if (findProgram('apt-get') !== undefined) return 'sudo apt-get install build-essential python3';
  if (findProgram('apk') !== undefined) return 'apk add build-base python3';
  if (findProgram('dnf') !== undefined) return 'dnf install gcc-c++ make python3';
  if (findProgram('pacman') !== undefined) return 'pacman -S base-devel python';
  return 'install g++, make and python3';
}

/**
 * In a process of its own, because an add-on for another processor does not fail but kills. Where none can be started (an
 * emulated Node), in this one.
 */
async function loadSqlite3(): Promise<Sqlite3> {
  const options = { cwd: PACKAGE_FOLDER, timeout: 45_000 };
  const { output, signal } = await new Promise<{ output: string; signal: string | undefined }>((resolve) => {
    execFile(process.execPath, ['--input-type=module', '--eval', LOADING], options, (error, stdout) => {
      resolve({ output: stdout, signal: error?.killed === true ? undefined : (error?.signal ?? undefined) });
    });
  });
  if (signal !== undefined) return { failure: 'crash', message: signal };
  const line = output.split('\n').find((text) => text.startsWith('{"'));
  const answer = line === undefined ? await loadHere() : (JSON.parse(line) as Loading);
  return 'version' in answer ? answer : { failure: failureOf(answer), message: answer.message };
}

type Loading = { readonly version: string } | { readonly code: string; readonly message: string };

/** The text of a module that says how loading went, as {@link Loading}. */
const LOADING = `
  const first = (error) => ({ code: String(error.code), message: String(error.message).split('\\n')[0] });
  const answer = await import('sqlite3').then(({ default: { VERSION } }) => ({ version: VERSION }), first);
  console.log(JSON.stringify(answer));`;

async function loadHere(): Promise<Loading> {
  try {
    const { default: sqlite3 } = await import('sqlite3');
    return { version: sqlite3.VERSION };
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    return { code: String(code), message: String(message).split('\n', 1)[0] ?? '' };
  }
}

function failureOf({ code, message }: Extract<Loading, { code: unknown }>): Failed['failure'] {
  if (code === 'ERR_MODULE_NOT_FOUND' && message.includes("'sqlite3'")) return 'absent';
  if (message.startsWith('Could not locate the bindings file')) return 'not built';
  return code === 'ERR_DLOPEN_FAILED' ? 'foreign' : 'incomplete';
}

function builtinVersion(): string | undefined {
  const builtin = process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined;
  if (builtin === undefined) return undefined;
  const database = new builtin.DatabaseSync(':memory:');
  try {
    return String(database.prepare('SELECT sqlite_version() AS version').get()['version']);
  } finally {
    database.close();
  }
}

/** As far as it is used: the type declarations of Node 20 do not know it. */
interface NodeSqlite {
  readonly DatabaseSync: new (file: string) => {
    prepare(sql: string): { get(): Record<string, unknown> };
    close(): void;
  };
}

async function buildTools(): Promise<BuildTools> {
  const npm = await firstOutput('npm', ['--version'], { seconds: 20 });
  const ignored = npm === '' ? '' : await firstOutput('npm', ['config', 'get', 'ignore-scripts'], { seconds: 20 });
  return {
    compiler: findProgram('g++', 'c++', 'clang++') !== undefined,
    make: findProgram('make', 'gmake') !== undefined,
    python: findProgram('python3', 'python') !== undefined,
    scriptsAreOff: ignored.trim() === 'true',
    npm: npm === '' ? undefined : Number(npm.split('.')[0]),
    headers: existsSync('/usr/include/node/node.h'),
  };
}

const ADDON = 'node_modules/sqlite3/build/Release/node_sqlite3.node';

/** The newest of which there are binaries for the processor: none of 24 for ARM in 32 bits. */
const NEWER = process.arch === 'arm' ? 22 : 24;
