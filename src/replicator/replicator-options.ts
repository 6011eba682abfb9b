/** How a replicator is configured: checked once, copied, and complete from then on. */
import { X509Certificate } from 'node:crypto';
import {
  checkFingerprint,
  checkOptions,
  checkSeconds,
  hiddenHeaders,
  oneLineLogger,
  systemRandom,
  type Clock,
  type Logger,
  type RandomSource,
} from '../base/index.js';
import { checkCompression, type BlipOptions, type CompressionOptions } from '../blip/index.js';
import { Collection, type Database } from '../database/index.js';
import type { Endpoint } from '../endpoint/index.js';
import { HawserError } from '../errors.js';
import type { ClientAuthenticator, ServerTrustPolicy } from '../security/index.js';
import {
  checkCollectionConfiguration,
  type CheckedCollection,
  type CollectionConfiguration,
} from './collection-configuration.js';

export interface ReplicatorOptions {
  /** What to replicate: one or more collections of one database. A collection alone is replicated whole. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- collections of any document type
  readonly collections: readonly (Collection<any> | CollectionConfiguration<any>)[];
  /** Whom to replicate with. */
  readonly target: Endpoint;
  /** @default 'pushAndPull' */
  readonly type?: 'pushAndPull' | 'push' | 'pull';
  /** Go on after everything is synced, until stopped. @default false */
  readonly continuous?: boolean;
  /**
   * Purge a document when the remote says that the user lost access to it (a Sync Gateway does); otherwise it is only told
   * of. Does not apply to collections with `documentIDs`. @default true
   */
  readonly enableAutoPurge?: boolean;
  /**
   * Put many small revisions into one message, where the peer is a hawser that does too: a third of the bytes and half of
   * the work. Without it the wire is the plain protocol towards everybody. @default true
   */
  readonly enableRevisionBatches?: boolean;
  /** How hard to compress what is sent. */
  readonly compression?: CompressionOptions;
  /** Proves who we are, to a peer that is trusted. */
  readonly authenticator?: ClientAuthenticator;
  /** Further HTTP headers, for targets that take them. Their values appear neither in `inspect` nor in JSON. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Trust the server with this certificate, with one that it has issued, or with a renewed one of the same key. Whom to
   * trust is decided by the first of these four options that is given; without any by the roots of Node and the host name.
   */
  readonly pinnedServerCertificate?: X509Certificate;
  /** The same by the certificate's SHA-256 fingerprint: 64 hex digits, or 32 pairs with colons between. */
  readonly pinnedServerFingerprint?: string;
  /** Decides by rules of its own, for example `TrustOnFirstUse`. It has as long as an attempt to connect: 15 seconds. */
  readonly serverTrustPolicy?: ServerTrustPolicy;
  /** Trust any self-signed certificate and no other. This encrypts and proves nothing. @default false */
  readonly acceptOnlySelfSignedServerCertificate?: boolean;
  /**
   * Probe a link on which nothing arrived for this long, and give up a peer that owes an answer and sends nothing for as
   * long. In seconds; 0 for the default. @default 300
   */
  readonly heartbeat?: number;
  /** Attempts to connect in a row, the first included. @default 10, or without end if continuous */
  readonly maxAttempts?: number;
  /** The longest wait between two attempts. In seconds. @default 300 */
  readonly maxAttemptWaitTime?: number;
  /** @default the database's */
  readonly logger?: Logger;
  /** @default the database's */
  readonly clock?: Clock;
  /** For the jitter of the waits. @default the operating system's */
  readonly random?: RandomSource;
}

/** The options with every default filled in. */
export interface ReplicatorConfiguration {
  readonly database: Database;
  readonly collections: readonly CheckedCollection[];
  readonly target: Endpoint;
  readonly type: 'pushAndPull' | 'push' | 'pull';
  readonly continuous: boolean;
  readonly enableAutoPurge: boolean;
  readonly enableRevisionBatches: boolean;
  /** As a connection takes it. */
  readonly blip: BlipOptions;
  readonly authenticator: ClientAuthenticator | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly pinnedServerCertificate: X509Certificate | undefined;
  readonly pinnedServerFingerprint: string | undefined;
  readonly serverTrustPolicy: ServerTrustPolicy | undefined;
  readonly acceptOnlySelfSignedServerCertificate: boolean;
  readonly heartbeat: number;
  readonly maxAttempts: number;
  readonly maxAttemptWaitTime: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** Throws `ARGUMENT_INVALID` or `OPTION_UNKNOWN` that names the option. */
export function configure(options: ReplicatorOptions): ReplicatorConfiguration {
  checkOptions('Replicator', options, KNOWN);
  const collections = checkConfigurations('Replicator', options.collections);
  const { database } = (collections[0] as CheckedCollection).collection;
  const { target, type = 'pushAndPull', continuous = false } = options;
  if (typeof target?.createConnection !== 'function' || typeof target.remoteID !== 'string') {
    throw new HawserError('ARGUMENT_INVALID', 'Replicator: target must be an endpoint, for example a URLEndpoint');
  }
  if (!['pushAndPull', 'push', 'pull'].includes(type)) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `Replicator: type must be pushAndPull, push or pull, not ${String(type)}`,
    );
  }
  checkTransportOptions(options);
  return Object.freeze({
    database,
    collections,
    target,
    type,
    continuous,
    enableAutoPurge: options.enableAutoPurge ?? true,
    enableRevisionBatches: options.enableRevisionBatches ?? true,
    blip: checkCompression('Replicator', options.compression, database.replicationSizes),
    authenticator: options.authenticator,
    headers: options.headers === undefined ? undefined : hiddenHeaders(options.headers),
    pinnedServerCertificate: options.pinnedServerCertificate,
    pinnedServerFingerprint: options.pinnedServerFingerprint,
    serverTrustPolicy: options.serverTrustPolicy,
    acceptOnlySelfSignedServerCertificate: options.acceptOnlySelfSignedServerCertificate ?? false,
    // 0 stands for the default, as in Couchbase Lite.
    heartbeat: checkSeconds('Replicator: heartbeat', options.heartbeat) || 300,
    maxAttempts: count('maxAttempts', options.maxAttempts) || (continuous ? Number.POSITIVE_INFINITY : 10),
    maxAttemptWaitTime: checkSeconds('Replicator: maxAttemptWaitTime', options.maxAttemptWaitTime) || 300,
    logger: oneLineLogger(options.logger ?? database.logger),
    clock: options.clock ?? database.clock,
    random: options.random ?? systemRandom,
  });
}

/** At least one collection, all of one database, none twice. Throws `ARGUMENT_INVALID`. */
export function checkCollections(where: string, collections: unknown): readonly Collection<never>[] {
  if (Array.isArray(collections) && !collections.every((entry) => entry instanceof Collection)) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: collections must hold collections`);
  }
  return Object.freeze(
    checkConfigurations(where, collections).map(({ collection }) => collection as unknown as Collection<never>),
  );
}

function checkConfigurations(where: string, collections: unknown): readonly CheckedCollection[] {
  if (!Array.isArray(collections) || collections.length === 0) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: collections must hold at least one collection`);
  }
  const list = (collections as readonly unknown[]).map((given) => checkCollectionConfiguration(where, given));
  if (new Set(list.map(({ collection }) => collection.database)).size > 1) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: the collections belong to different Database objects`);
  }
  if (new Set(list.map(({ collection }) => `${collection.scope}.${collection.name}`)).size < list.length) {
    throw new HawserError('ARGUMENT_INVALID', `${where}: a collection is named twice`);
  }
  return Object.freeze(list);
}

/** What only transports look at. */
function checkTransportOptions(options: ReplicatorOptions): void {
  const { authenticator, headers, pinnedServerCertificate, pinnedServerFingerprint, serverTrustPolicy } = options;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `Replicator: ${what}`);
  };
  const switches = ['continuous', 'enableAutoPurge', 'enableRevisionBatches'] as const;
  for (const name of [...switches, 'acceptOnlySelfSignedServerCertificate'] as const) {
    check(options[name] === undefined || typeof options[name] === 'boolean', `${name} must be true or false`);
  }
  const isAuthenticator = typeof authenticator?.credentials === 'function';
  check(authenticator === undefined || isAuthenticator, 'authenticator must be one, for example a BasicAuthenticator');
  const isCertificate = pinnedServerCertificate instanceof X509Certificate;
  check(pinnedServerCertificate === undefined || isCertificate, 'pinnedServerCertificate must be an X509Certificate');
  if (pinnedServerFingerprint !== undefined) {
    checkFingerprint('Replicator: pinnedServerFingerprint', pinnedServerFingerprint);
  }
  const isPolicy = typeof serverTrustPolicy?.judge === 'function';
  check(serverTrustPolicy === undefined || isPolicy, 'serverTrustPolicy must be one, for example a TrustOnFirstUse');
  const values: unknown[] = typeof headers === 'object' ? Object.values(headers ?? [undefined]) : [undefined];
  const areTexts = values.every((value) => typeof value === 'string');
  check(headers === undefined || areTexts, 'headers must be an object of texts');
}

function count(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (!Number.isInteger(value) || value < 0) {
    throw new HawserError(
      'ARGUMENT_INVALID',
      `Replicator: ${name} must be a whole number from 0, not ${String(value)}`,
    );
  }
  return value;
}

const KNOWN: readonly string[] = [
  'collections',
  'target',
  'type',
  'continuous',
  'enableAutoPurge',
  'enableRevisionBatches',
  'compression',
  'authenticator',
  'headers',
  'pinnedServerCertificate',
  'pinnedServerFingerprint',
  'serverTrustPolicy',
  'acceptOnlySelfSignedServerCertificate',
  'heartbeat',
  'maxAttempts',
  'maxAttemptWaitTime',
  'logger',
  'clock',
  'random',
];
