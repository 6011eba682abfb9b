/**
 * The rules of the house as a function from sources to complaints. What may import what is written here once, in the same
 * words as src/README.md; layering.test.ts runs it over the repository, and over small made-up sources to prove that each
 * rule can fail.
 */
import { factsOf, type Import, type SourceFacts, type Sources } from './sources.js';

/** The rooms of src/ and the rooms each may import: arrows go down this list and never up. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  blip: ['base'],
  delta: ['base'],
  revision: ['base'],
  security: ['base'],
  storage: ['revision', 'base'],
  database: ['storage', 'revision', 'base'],
  endpoint: ['security', 'base'],
  replicator: ['database', 'endpoint', 'blip', 'delta', 'storage', 'revision', 'base'],
  listener: ['replicator', 'database', 'endpoint', 'security', 'blip', 'delta', 'storage', 'revision', 'base'],
};

/** Rooms that may know the types of another room, and nothing of it at run time. */
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = { replicator: ['security'] };

const PURE = ['src/blip/', 'src/revision/', 'src/delta/', 'transports/link/machine/'];
const PURE_MODULES = ['node:zlib', 'node:crypto'];
/** What examples have in common; what is in there imports nothing of theirs. */
const SHARED_BY_EXAMPLES = 'device-examples/shared/';
/** What waits, tells the time, throws dice or reaches outside. */
const IMPURE_WORDS = new Set([
  ...['await', 'async', 'Promise', 'queueMicrotask', 'setTimeout', 'setInterval', 'setImmediate'],
  ...['Date', 'new Date', 'performance', 'systemClock', 'systemRandom'],
  ...['Math.random', 'randomBytes', 'randomInt', 'randomUUID', 'randomFillSync', 'getRandomValues'],
  ...['fetch', 'process', 'console', 'require'],
]);

/** The one place where each library is known. */
const HOMES: readonly { readonly home: string; readonly what: string; readonly modules: readonly string[] }[] = [
  { home: 'src/storage/sqlite/', what: 'an SQLite driver', modules: ['sqlite3', 'better-sqlite3', 'node:sqlite'] },
  { home: 'src/security/', what: 'node-forge', modules: ['node-forge'] },
  { home: 'transports/websocket/', what: 'ws', modules: ['ws'] },
  { home: 'transports/mqtt/', what: 'mqtt', modules: ['mqtt'] },
  {
    home: 'transports/serial/',
    what: 'a serial port library',
    modules: ['serialport', '@serialport/stream', '@serialport/bindings-cpp'],
  },
];

/** What the rules need to know of package.json. */
export interface PackageFacts {
  /** `hawser`, `hawser/websocket`, … */
  readonly publicNames: readonly string[];
  /** Packages that a user's installation has or is told to add: dependencies, optional ones and peers. */
  readonly shippedDependencies: readonly string[];
}

/** Every breach of a rule, as `path:line: what is wrong`. */
export function breaches(sources: Sources, facts: PackageFacts): string[] {
  const found: string[] = [];
  const files = new Map<string, SourceFacts>();
  for (const [path, text] of sources) files.set(path, factsOf(path, text));

  for (const [path, file] of files) {
    const report = (line: number, message: string): void => void found.push(`${path}:${line}: ${message}`);
    for (const item of file.imports) {
      for (const message of importBreaches(path, item, facts)) report(item.line, message);
      if (item.target !== undefined && !sources.has(item.target) && !item.target.endsWith('.json')) {
        report(item.line, `imports ${item.specifier}, which is no source file`);
      }
    }
    if (PURE.some((room) => path.startsWith(room))) {
      for (const { word, line } of file.uses) {
        if (IMPURE_WORDS.has(word)) report(line, `uses ${word} in a pure room`);
      }
    }
    if (path === 'src/index.ts' && !file.onlyReexports) report(1, 'the public door only re-exports');
  }
  return [...new Set([...found, ...cycles(files), ...testingBreaches(files)])];
}

function importBreaches(path: string, item: Import, facts: PackageFacts): string[] {
  const area = path.split('/')[0];
  if (area === 'src' || area === 'transports') {
    return [
      ...homeBreaches(path, item),
      ...packageBreaches(item, facts),
      ...(PURE.some((room) => path.startsWith(room)) ? pureBreaches(item) : []),
      ...(area === 'src' ? roomBreaches(path, item) : transportBreaches(path, item)),
    ];
  }
  if (area === 'cli') {
    const packages = item.package === 'hawser' ? [] : packageBreaches(item, facts);
    return [...packages, ...publicNameBreaches(['cli/'], 'the command', item, facts)];
  }
  if (area !== 'device-examples') return [];
  const own = `${path.split('/').slice(0, 2).join('/')}/`;
  return publicNameBreaches([own, SHARED_BY_EXAMPLES], 'an example', item, facts);
}

function homeBreaches(path: string, { specifier, package: name }: Import): string[] {
  const home = HOMES.find(({ modules }) => modules.includes(name ?? specifier));
  return home === undefined || path.startsWith(home.home) ? [] : [`only ${home.home} knows ${home.what}`];
}

function packageBreaches({ package: name, typeOnly }: Import, facts: PackageFacts): string[] {
  if (name === undefined || typeOnly || facts.shippedDependencies.includes(name)) return [];
  return [`imports ${name}, which is no dependency of the package (built-in modules begin with node:)`];
}

function pureBreaches({ specifier, target }: Import): string[] {
  if (target !== undefined || PURE_MODULES.includes(specifier)) return [];
  return [`imports ${specifier} in a pure room`];
}

/** The room of a file in src/: its folder, or undefined for index.ts and errors.ts. */
function roomOf(path: string): string | undefined {
  const [, room, ...rest] = path.split('/');
  return rest.length > 0 ? room : undefined;
}

function roomBreaches(path: string, { specifier, target, typeOnly }: Import): string[] {
  if (target === undefined) return [];
  if (!target.startsWith('src/')) return [`src/ imports ${specifier}, outside of src/`];
  const room = roomOf(path);
  const other = roomOf(target);
  if (target === 'src/errors.ts' || (room !== undefined && room === other)) return [];
  if (target === 'src/index.ts') return ['imports the public door from within'];
  if (room === undefined && path !== 'src/index.ts')
    return [`${path} stands below every room and imports ${specifier}`];
  if (other === undefined) return [`imports ${specifier}, which is no room`];
  if (target !== `src/${other}/index.ts`) return [`enters the room ${other} past its index.ts`];
  if (room === undefined) return [];
  const allowed = ROOMS[room];
  if (allowed === undefined) return [`the room ${room} is not in the list of rooms`];
  if (allowed.includes(other) || (typeOnly && TYPES_ONLY[room]?.includes(other) === true)) return [];
  return [`${room} may not import ${other}${TYPES_ONLY[room]?.includes(other) === true ? ' but for its types' : ''}`];
}

function transportBreaches(path: string, { specifier, target }: Import): string[] {
  if (target === undefined || target === 'src/index.ts') return [];
  const folderOf = (file: string): string => file.split('/').slice(0, 2).join('/');
  if (folderOf(target) === folderOf(path)) return [];
  if (target === 'transports/link/index.ts') return [];
  if (target.startsWith('src/')) return [`a transport imports ${specifier}: src/ is entered through src/index.ts`];
  if (target.startsWith('transports/link/')) return ['enters the room link past its index.ts'];
  return [`a transport imports ${specifier}, of another transport or outside`];
}

/** For who uses hawser as anybody does: its own folders, and the names that package.json exports. */
function publicNameBreaches(folders: readonly string[], who: string, item: Import, facts: PackageFacts): string[] {
  const { specifier, target, package: name } = item;
  if (target !== undefined) {
    const isInside = folders.some((folder) => target.startsWith(folder));
    return isInside ? [] : [`${who} imports ${specifier}, outside of its own folder`];
  }
  return name !== 'hawser' || facts.publicNames.includes(specifier)
    ? []
    : [`${who} imports ${specifier}, which is no public name`];
}

/** `hawser/testing` is shipped: what it reaches may need nothing but Node and the rooms of src/, through their doors. */
function testingBreaches(files: ReadonlyMap<string, SourceFacts>): string[] {
  const found: string[] = [];
  const reached = new Set(['test/conformance/index.ts']);
  for (const path of reached) {
    for (const { specifier, target, package: name, line } of files.get(path)?.imports ?? []) {
      if (target?.startsWith('test/') === true) reached.add(target);
      else if (
        name !== undefined ||
        (target !== undefined && !/^src\/(errors|index|[\w-]+\/index)\.ts$/.test(target))
      ) {
        found.push(`${path}:${line}: hawser/testing is shipped and may not import ${specifier}`);
      }
    }
  }
  return found;
}

const SHIPPED = /^(src|transports|cli)\//;

/** Files that are shipped and import each other at run time. */
function cycles(files: ReadonlyMap<string, SourceFacts>): string[] {
  const found: string[] = [];
  const finished = new Set<string>();
  const walk = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) {
      found.push(`${path}:1: cycle ${[...way.slice(start), path].join(' → ')}`);
      return;
    }
    if (finished.has(path)) return;
    for (const { target, typeOnly } of files.get(path)?.imports ?? []) {
      if (target !== undefined && !typeOnly && SHIPPED.test(target)) walk(target, [...way, path]);
    }
    finished.add(path);
  };
  for (const path of files.keys()) if (SHIPPED.test(path)) walk(path, []);
  return found;
}
