/**
 * Are the documents of two or more databases the same? Each process writes one line a document, its ID, its revision and
 * the SHA-256 of its body, and the lines are compared: no process reads another's database, and bodies stay where they are.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** What is needed of a document. */
export interface DigestedDocument {
  readonly id: string;
  readonly revisionID: string;
  toJSONText(): string;
}

/** What is needed of a collection. */
export interface DocumentSource {
  readonly fullName: string;
  documents(): AsyncIterable<DigestedDocument>;
}

/** Revision and body's digest of each document, by `collection/id`. */
export type Digests = ReadonlyMap<string, string>;

export interface Comparison {
  /** Documents that are the same on the node that made them and on the bridge. */
  readonly equal: number;
  /** On a node, not on the bridge. */
  readonly missing: readonly string[];
  /** On the bridge, on no node. */
  readonly surplus: readonly string[];
  /** On both, in another revision or with another body; or different on two nodes. */
  readonly different: readonly string[];
}

/** Writes the digests of all documents to `file`. */
export async function writeDigests(file: string, collections: readonly DocumentSource[]): Promise<void> {
  await pipeline(digestLines(collections), createWriteStream(file));
}

/** Adds those of some documents to what the file holds. */
export async function appendDigests(
  file: string,
  { fullName }: Pick<DocumentSource, 'fullName'>,
  documents: AsyncIterable<DigestedDocument> | Iterable<DigestedDocument>,
): Promise<void> {
  await pipeline(linesOf(fullName, documents), createWriteStream(file, { flags: 'a' }));
}

async function* digestLines(collections: readonly DocumentSource[]): AsyncGenerator<string> {
  for (const collection of collections) yield* linesOf(collection.fullName, collection.documents());
}

async function* linesOf(
  fullName: string,
  documents: AsyncIterable<DigestedDocument> | Iterable<DigestedDocument>,
): AsyncGenerator<string> {
  for await (const document of documents) {
    const body = createHash('sha256').update(document.toJSONText()).digest('hex');
    yield `${encodeURI(`${fullName}/${document.id}`)} ${document.revisionID} ${body}\n`;
  }
}

export async function readDigests(file: string): Promise<Digests> {
  const digests = new Map<string, string>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) digests.set(line.slice(0, space), line.slice(space + 1));
  }
  return digests;
}

/** Compares what all nodes have with what the bridge has, both ways. */
export function compare(nodes: readonly Digests[], bridge: Digests): Comparison {
  const union = new Map<string, string>();
  const different = new Set<string>();
  for (const [name, digest] of nodes.flatMap((digests) => [...digests])) {
    if ((union.get(name) ?? digest) !== digest) different.add(name);
    union.set(name, digest);
  }
  const missing: string[] = [];
  for (const [name, digest] of union) {
    const found = bridge.get(name);
    if (found === undefined) missing.push(name);
    else if (found !== digest) different.add(name);
  }
  const surplus = [...bridge.keys()].filter((name) => !union.has(name));
  const equal = [...union.keys()].filter((name) => bridge.has(name) && !different.has(name)).length;
  return { equal, missing, surplus, different: [...different] };
}

/**
 * Along the whole way: what the nodes have is on the bridge, what the bridge has on the shore, and what the shore has written for
 * everybody on each node. Equal ones count once, as they are on the shore.
 *
 * @param shared what the names of documents begin with that everybody has to have
 */
export function compareAll(nodes: readonly Digests[], bridge: Digests, shore: Digests, shared: string): Comparison {
  const forAll = only(shore, shared);
  const ways = [
    compare(nodes, bridge),
    compare([bridge], shore),
    ...nodes.map((node) => compare([forAll], only(node, shared))),
  ];
  const all = (which: 'missing' | 'surplus' | 'different'): string[] => [...new Set(ways.flatMap((way) => way[which]))];
  return {
    equal: Math.min(ways[0]?.equal ?? 0, ways[1]?.equal ?? 0),
    missing: all('missing'),
    surplus: all('surplus'),
    different: all('different'),
  };
}

function only(digests: Digests, prefix: string): Digests {
  return new Map([...digests].filter(([name]) => name.startsWith(prefix)));
}

/** Nothing compared is not a success. */
export function isEqual({ equal, missing, surplus, different }: Comparison): boolean {
  return equal > 0 && missing.length + surplus.length + different.length === 0;
}

/** The result in a line, with the first document of each kind that is not as it should be. */
export function describe(comparison: Comparison): string {
  const { equal, missing, surplus, different } = comparison;
  const list = (names: readonly string[], what: string): string[] =>
    names.length === 0 ? [] : [`${names.length.toLocaleString('en')} ${what} (such as ${names[0]})`];
  return [
    `${equal.toLocaleString('en')} documents equal by ID, revision and body`,
    ...list(missing, 'missing somewhere'),
    ...list(surplus, 'of nobody'),
    ...list(different, 'different'),
  ].join(', ');
}
