/** Databases in temporary folders and links between them, for tests of replication on real SQLite files. */
import type { TestContext } from 'node:test';
import {
  Database,
  loopbackByteStreamPair,
  loopbackPair,
  MessageEndpoint,
  MessageEndpointListener,
  Replicator,
  seededRandom,
  type Collection,
  type DatabaseOptions,
  type LoopbackPair,
  type MessageEndpointConnection,
  type ProtocolType,
  type ReplicatorOptions,
} from '../../src/index.js';
import { cleanup } from './cleanup.js';
import { memoryLogger } from './memory-logger.js';
import { temporaryDirectory } from './temporary-directory.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests hold documents of any shape
export type AnyCollection = Collection<any>;

export interface Peer {
  readonly name: string;
  readonly database: Database;
  /** The collection most tests use. */
  readonly metrics: AnyCollection;
}

/** A database of its own that is closed and deleted after the test. */
export async function openPeer(context: TestContext, name: string, options: DatabaseOptions = {}): Promise<Peer> {
  const directory = await temporaryDirectory(context);
  const database = await Database.open(directory, { name, logger: memoryLogger(), ...options });
  cleanup(context, () => database.close());
  return { name, database, metrics: await database.createCollection('metrics') };
}

export interface LinkOptions extends Partial<Omit<ReplicatorOptions, 'target'>> {
  readonly protocolType?: ProtocolType;
  readonly readOnly?: boolean;
  /** Of the listener. @default false */
  readonly enableDeltaSync?: boolean;
  /** What the listener serves. @default the passive peer's metrics */
  readonly served?: readonly AnyCollection[];
  /** Put around each of the active peer's connections, the first being number 1. */
  readonly around?: (connection: MessageEndpointConnection, number: number) => MessageEndpointConnection;
}

export interface Link {
  readonly replicator: Replicator;
  readonly listener: MessageEndpointListener;
  /** Breaks the present connection as a lost medium would. */
  readonly cut: () => void;
  /** How many connections were made. */
  readonly connections: () => number;
}

/** A replicator of `active` whose target is a listener of `passive`; nothing is started. */
export function link(active: Peer, passive: Peer, options: LinkOptions = {}): Link {
  const { protocolType = 'messageStream', readOnly = false, enableDeltaSync = false, ...others } = options;
  const { served = [passive.metrics], around, ...rest } = others;
  const listener = new MessageEndpointListener({ collections: served, protocolType, readOnly, enableDeltaSync });
  let pair: LoopbackPair | undefined;
  let connections = 0;
  const target = new MessageEndpoint(passive.name, undefined, protocolType, {
    createConnection: () => {
      connections++;
      pair =
        protocolType === 'byteStream' ? loopbackByteStreamPair({ random: seededRandom(connections) }) : loopbackPair();
      listener.accept(pair.b);
      return around === undefined ? pair.a : around(pair.a, connections);
    },
  });
  const replicator = new Replicator({ collections: [active.metrics], ...rest, target });
  return { replicator, listener, cut: () => pair?.cut(), connections: () => connections };
}

/** Runs a one-shot replication to its end; throws what it ended with. */
export async function sync(active: Peer, passive: Peer, options: LinkOptions = {}): Promise<Link> {
  const made = link(active, passive, options);
  made.replicator.start();
  const error = await made.replicator.stopped();
  if (error !== undefined) throw error;
  return made;
}

/** Everything in a collection: ID, revision and body text of each document, by ID. */
export async function contents(collection: AnyCollection): Promise<string[]> {
  const lines: string[] = [];
  for await (const document of collection.documents()) {
    lines.push(`${document.id} ${document.revisionID} ${document.toJSONText()}`);
  }
  return lines;
}

/** Resolves when `isSo` holds, looking again after each commit in the collection. */
export function whenChanged(collection: AnyCollection, isSo: () => Promise<boolean>): Promise<void> {
  return new Promise((resolve, reject) => {
    let checking = false;
    const check = (): void => {
      if (checking) return void (again = true);
      checking = true;
      isSo().then(
        (so) => {
          checking = false;
          if (so) {
            unsubscribe();
            resolve();
          } else if (again) {
            again = false;
            check();
          }
        },
        (error: unknown) => reject(error as Error),
      );
    };
    let again = false;
    const unsubscribe = collection.on('change', check);
    check();
  });
}
