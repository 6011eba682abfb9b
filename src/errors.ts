/**
 * Every error that hawser raises, and the one table of their codes.
 *
 * A code is stable: it changes only with a major version; messages may change at any time. Identify an
 * error by `code` (or {@link isHawserError}), never by `instanceof` alone: two copies of the package may
 * be loaded in one process (ESM and CommonJS).
 */

/** Couchbase Lite's error domains, for users who know them. `Hawser` has no counterpart there. */
export type ErrorDomain = 'CouchbaseLite' | 'POSIX' | 'SQLite' | 'Network' | 'WebSocket' | 'Hawser';

interface ErrorKind {
  /** Couchbase Lite's domain and number for the same situation (its public offsets: Network 5000, WebSocket/HTTP 10000). */
  readonly domain: ErrorDomain;
  readonly number: number;
  /** Whether trying the same again later can succeed without anybody changing anything. */
  readonly retryable: boolean;
  /** What the reader can do about it, in plain words. */
  readonly hint: string;
}

const kind = (domain: ErrorDomain, number: number, hint: string, retryable = false): ErrorKind => ({
  domain,
  number,
  retryable,
  hint,
});

/** The table. The chapter "Errors" of the README lists the same codes; a test holds the two together. */
export const ERRORS = {
  // Arguments
  ARGUMENT_INVALID: kind('CouchbaseLite', 9, 'Correct the argument that the message names.'),
  OPTION_UNKNOWN: kind('CouchbaseLite', 9, 'Check the spelling of the option; the message lists the known ones.'),
  ABORTED: kind('Hawser', 1, 'The AbortSignal that was passed in has fired.'),
  DEPENDENCY_MISSING: kind('CouchbaseLite', 19, 'Install the package that the message names.'),

  // Documents
  DOCUMENT_ID_INVALID: kind(
    'CouchbaseLite',
    29,
    'Use 1 to 240 bytes of UTF-8 without control characters that do not begin with "_".',
  ),
  DOCUMENT_PROPERTY_RESERVED: kind(
    'CouchbaseLite',
    9,
    'Top-level properties that begin with "_" are reserved by the protocol: rename the property.',
  ),
  DOCUMENT_KEY_EMPTY: kind('CouchbaseLite', 9, 'Give the property a name of at least one character.'),
  DOCUMENT_CYCLIC: kind('CouchbaseLite', 9, 'Break the cycle: a document is a tree.'),
  DOCUMENT_NUMBER_INVALID: kind(
    'CouchbaseLite',
    9,
    'NaN, infinities and integers beyond 64 bits are not JSON: store null, a string or a double instead.',
  ),
  DOCUMENT_STRING_INVALID: kind(
    'CouchbaseLite',
    9,
    'The text holds half of a surrogate pair and cannot be written as UTF-8.',
  ),
  DOCUMENT_TOO_DEEP: kind('CouchbaseLite', 9, 'Flatten the document.'),
  DOCUMENT_TOO_LARGE: kind('CouchbaseLite', 9, 'Split the document, or keep the large part in a Blob.'),
  DOCUMENT_VALUE_UNSUPPORTED: kind(
    'CouchbaseLite',
    9,
    'Use null, booleans, numbers, bigints, strings, arrays, plain objects, Dates and Blobs.',
  ),
  DOCUMENT_BODY_INVALID: kind('CouchbaseLite', 5, 'The body is not a JSON object that a peer could read.'),
  DOCUMENT_NOT_FOUND: kind('CouchbaseLite', 7, 'No live document has this ID.'),
  DOCUMENT_CONFLICT: kind(
    'CouchbaseLite',
    8,
    'The document changed since it was read: read it again and repeat the edit.',
  ),

  // Revisions
  REVISION_ID_INVALID: kind(
    'CouchbaseLite',
    4,
    'A revision ID is a generation, a hyphen and an even number of lower-case hex digits.',
  ),
  REVISION_HISTORY_INVALID: kind(
    'CouchbaseLite',
    4,
    'The generations of a revision and its ancestors must fall by one.',
  ),
  DELTA_INVALID: kind(
    'CouchbaseLite',
    32,
    'The delta does not fit the revision it was made for: the peer sends the whole revision instead.',
  ),
  DELTA_BASE_UNKNOWN: kind(
    'CouchbaseLite',
    31,
    'The revision that the delta builds on is not stored here: the peer sends the whole revision instead.',
  ),

  // Database and collections
  COLLECTION_NAME_INVALID: kind('CouchbaseLite', 9, 'Use 1 to 251 of A-Z a-z 0-9 _ - %, not beginning with _ or %.'),
  COLLECTION_DELETED: kind('CouchbaseLite', 6, 'The collection was deleted: take a new handle from the database.'),
  COLLECTION_DEFAULT_REQUIRED: kind('CouchbaseLite', 9, 'The default collection cannot be deleted.'),
  DATABASE_CLOSED: kind('CouchbaseLite', 6, 'Open the database again.'),
  DATABASE_BUSY: kind(
    'CouchbaseLite',
    16,
    'Another process, or another Database object, has it open: close that one first.',
    true,
  ),
  DATABASE_IN_BATCH: kind(
    'CouchbaseLite',
    18,
    'Let the batch end first, and inside a batch work through its own argument.',
  ),
  WRITE_QUEUE_FULL: kind('Hawser', 3, 'Await some of the saves before starting more, or raise maxQueuedWrites.', true),
  DATABASE_TOO_NEW: kind('CouchbaseLite', 28, 'The file was written by a newer version of hawser: update the package.'),
  DATABASE_CORRUPT: kind(
    'CouchbaseLite',
    15,
    'The database file is damaged or not a database: restore it from a copy, or delete the folder and sync again from a peer.',
  ),
  DATABASE_CANNOT_OPEN: kind(
    'CouchbaseLite',
    11,
    'Check that the path exists, is a folder and can be written by this user.',
  ),
  STORAGE_FULL: kind('SQLite', 13, 'The disk is full: free some space; nothing of the failed write was kept.', true),
  STORAGE_IO_ERROR: kind('SQLite', 10, 'The disk or the file system failed: look at the system log.'),
  STORAGE_READ_ONLY: kind(
    'CouchbaseLite',
    14,
    'The file or the file system is read-only: mount it writable or correct its mode.',
  ),
  STORAGE_DRIVER_MISSING: kind(
    'CouchbaseLite',
    19,
    'Install sqlite3 with a C toolchain at hand (npm install sqlite3), or run on Node 22.13 or later.',
  ),
  STORAGE_FAILED: kind('SQLite', 1, 'SQLite refused the statement: please report this with the message.'),

  // Blobs
  BLOB_NOT_FOUND: kind('CouchbaseLite', 7, 'The content is not in this database.'),
  BLOB_CORRUPT: kind('CouchbaseLite', 15, 'The content does not have the digest it is stored under.'),
  BLOB_INVALID: kind(
    'CouchbaseLite',
    9,
    'A blob is made of bytes or a stream of bytes, and is named by a sha1 digest.',
  ),

  // BLIP messages: section 2.10 of the specification. All of them end the connection.
  BLIP_FRAME_INVALID: kind('WebSocket', 11002, 'The peer does not speak BLIP 3, or the medium damaged a frame.'),
  BLIP_FRAME_TOO_LARGE: kind('WebSocket', 11009, 'Raise maxFrameSize, or let the peer send smaller frames.'),
  BLIP_CHECKSUM_MISMATCH: kind(
    'CouchbaseLite',
    15,
    'The medium lost, repeated or damaged a frame: it must deliver messages whole, once and in order.',
  ),
  BLIP_INFLATE_FAILED: kind('CouchbaseLite', 15, 'The compressed data of a frame is damaged.'),
  BLIP_INFLATED_TOO_LARGE: kind(
    'WebSocket',
    11009,
    'A compressed frame grew beyond maxInflatedSize: raise it only for a peer you trust.',
  ),
  BLIP_NUMBER_INVALID: kind(
    'WebSocket',
    11002,
    'The peer numbered its requests out of order: two peers may share one connection.',
  ),
  BLIP_RESPONSE_UNEXPECTED: kind('WebSocket', 11002, 'The peer answered a request that was not waiting for an answer.'),
  BLIP_PROPERTIES_INVALID: kind('WebSocket', 11002, 'The properties of a message are cut short or not terminated.'),
  BLIP_PROPERTIES_TOO_LARGE: kind('WebSocket', 11009, 'The properties of a message exceed maxPropertiesSize.'),
  BLIP_MESSAGE_TOO_LARGE: kind('WebSocket', 11009, 'A message exceeds maxMessageSize.'),
  BLIP_TOO_MANY_REQUESTS: kind(
    'WebSocket',
    11008,
    'The peer left more than maxOpenRequests of its requests unfinished.',
  ),
  BLIP_BUFFER_FULL: kind(
    'WebSocket',
    11009,
    'The peer left too much unfinished, or does not read what it asked for: is it still the program you expect?',
  ),
  BLIP_CLOSED: kind('WebSocket', 11006, 'The connection has ended; the request was not answered.', true),
  BLIP_REMOTE_ERROR: kind('CouchbaseLite', 26, 'The peer answered a request with an error.'),

  // Connections
  CONNECTION_LOST: kind(
    'WebSocket',
    11006,
    'The link broke without a farewell; a replicator tries again by itself.',
    true,
  ),
  CONNECTION_REFUSED: kind(
    'POSIX',
    111,
    'Nobody listens at that address: start the listener, check host and port.',
    true,
  ),
  CONNECTION_TIMEOUT: kind(
    'Network',
    5003,
    'The peer did not answer in time: check the network and the address.',
    true,
  ),
  CONNECTION_HOST_UNKNOWN: kind(
    'Network',
    5002,
    'The host name cannot be resolved: check its spelling and the DNS.',
    true,
  ),
  CONNECTION_UNREACHABLE: kind('POSIX', 113, 'There is no route to the peer: check cable, address and network.', true),
  CONNECTION_CLOSED_BY_PEER: kind(
    'WebSocket',
    11001,
    'The peer closed the connection on purpose, for example because its listener stopped.',
    true,
  ),
  CONNECTION_REJECTED: kind('WebSocket', 10500, 'The server refused the connection with the status in the message.'),
  CONNECTION_UNAVAILABLE: kind(
    'WebSocket',
    10503,
    'The server is overloaded or starting: a replicator tries again by itself.',
    true,
  ),
  CONNECTION_PROTOCOL_MISMATCH: kind(
    'WebSocket',
    11002,
    'The two ends share no replication protocol: compare their versions.',
  ),
  CONNECTION_PROTOCOL_ERROR: kind('WebSocket', 11002, 'The peer broke the rules of the transport.'),
  CONNECTION_MESSAGE_TOO_LARGE: kind('WebSocket', 11009, 'Send smaller messages or raise the limit on both sides.'),
  CONNECTION_BUFFER_FULL: kind(
    'WebSocket',
    11009,
    'The transport went on delivering although it was asked to wait: let it honour the promise that receive returns.',
    true,
  ),
  CONNECTION_NOT_OPEN: kind('Network', 5018, 'Open the connection before sending, and stop sending once it is closed.'),
  CONNECTION_FAILED: kind('WebSocket', 14002, 'The transport reported an error that it cannot recover from.'),
  CONNECTION_INTERRUPTED: kind(
    'WebSocket',
    14001,
    'The transport reported a passing error; a replicator tries again by itself.',
    true,
  ),

  // Brokers
  BROKER_ACCESS_DENIED: kind(
    'WebSocket',
    10403,
    'Check username, password and client ID, and what the access rules of the broker allow them.',
  ),
  BROKER_REFUSED: kind('WebSocket', 10500, 'The broker refused the connection for the reason in the message.'),

  // Serial ports
  SERIAL_PORT_NOT_FOUND: kind('POSIX', 2, 'Plug the adapter in, and check the path of the device.', true),
  SERIAL_PORT_DENIED: kind(
    'POSIX',
    13,
    'Add the user to the group of the device, usually dialout (sudo usermod -aG dialout USER), and log in again.',
  ),
  SERIAL_PORT_BUSY: kind('POSIX', 16, 'Another program has the port open: end that one, or choose another port.', true),
  SERIAL_PORT_UNSUITABLE: kind(
    'POSIX',
    25,
    'The path is no serial port, or the port does not do that baud rate: correct the option.',
  ),
  SERIAL_PORT_LOST: kind('POSIX', 5, 'The adapter was unplugged or failed; a replicator tries again by itself.', true),

  // Who may connect
  AUTHENTICATION_FAILED: kind('WebSocket', 10401, 'Check user name and password.'),
  ACCESS_DENIED: kind('WebSocket', 10403, 'The peer does not allow this direction.'),
  REMOTE_DATABASE_NOT_FOUND: kind(
    'WebSocket',
    10404,
    'The listener serves no database of that name: check the path of the URL.',
  ),
  REMOTE_COLLECTION_NOT_FOUND: kind(
    'WebSocket',
    10404,
    'The peer does not offer a collection of that name: add it to its listener.',
  ),
  TLS_CERTIFICATE_UNTRUSTED: kind(
    'Network',
    5011,
    'Pin the certificate of the server, or set acceptOnlySelfSignedServerCertificate.',
  ),
  TLS_CERTIFICATE_NOT_SELF_SIGNED: kind(
    'Network',
    5008,
    'Only self-signed certificates are accepted here and this one has an issuer: pin it instead.',
  ),
  TLS_CERTIFICATE_EXPIRED: kind('Network', 5007, 'Renew the certificate, or set the clock of this device.'),
  TLS_CERTIFICATE_NAME_MISMATCH: kind(
    'Network',
    5015,
    'The certificate was issued for another host name: correct the URL or pin the certificate.',
  ),
  TLS_HANDSHAKE_FAILED: kind(
    'Network',
    5006,
    'The two ends could not agree on TLS: is one of them speaking plain text?',
  ),
  TLS_CERTIFICATE_CHANGED: kind(
    'Network',
    5011,
    'The server shows another certificate than before: forget the old one only if you know that it was changed on purpose.',
  ),
  TLS_CLIENT_CERTIFICATE_REQUIRED: kind(
    'Network',
    5006,
    'The listener asks for a certificate: give the replicator a ClientCertificateAuthenticator.',
  ),
  TLS_CLIENT_CERTIFICATE_REJECTED: kind(
    'Network',
    5010,
    'The listener does not accept this certificate: show one that it trusts, or add the issuer to its roots.',
  ),
  TRUST_FILE_INVALID: kind(
    'CouchbaseLite',
    15,
    'Restore the file from a copy, or delete it: every server is then met for the first time again.',
  ),
  TRUST_FILE_FULL: kind('Hawser', 5, 'Forget servers that are not used any more, or keep them in several files.'),
  IDENTITY_INVALID: kind('CouchbaseLite', 22, 'The key and certificate cannot be read or do not belong together.'),
  IDENTITY_FILE_UNSAFE: kind(
    'CouchbaseLite',
    22,
    'Others can read the private key: chmod 600 the file, or delete it to get a new identity.',
  ),
  IDENTITY_ATTRIBUTE_INVALID: kind('CouchbaseLite', 22, 'Correct the attribute that the message names.'),
  IDENTITY_LABEL_INVALID: kind('CouchbaseLite', 22, 'Use a text of 1 to 64 bytes of UTF-8 as the label.'),
  IDENTITY_EXISTS: kind('CouchbaseLite', 22, 'Choose another label, or delete the identity that has this one.'),
  IDENTITY_PASSWORD_WRONG: kind('CouchbaseLite', 22, 'The password or passphrase does not open the private key.'),
  IDENTITY_UNSUITABLE: kind(
    'CouchbaseLite',
    22,
    'The certificate was not issued for this use: make one with serverAuth for a listener, with clientAuth for a client.',
  ),

  // Listeners
  AUTHENTICATION_DELAYED: kind(
    'WebSocket',
    10429,
    'Too many log-ins failed: the next is looked at after a while; a replicator tries again by itself.',
    true,
  ),
  AUTHORIZATION_FAILED: kind(
    'CouchbaseLite',
    10,
    'Correct the authorize callback of the listener, or what it asks: until then nobody is let in.',
    true,
  ),
  LISTENER_BUSY: kind(
    'WebSocket',
    10503,
    'A limit of the listener is reached: raise it, or find out who connects.',
    true,
  ),
  LISTENER_PORT_IN_USE: kind(
    'POSIX',
    98,
    'Another program listens on that port: choose another, or port 0 for a free one.',
  ),
  LISTENER_ADDRESS_UNAVAILABLE: kind('Network', 5002, 'This machine has no network interface of that name or address.'),
  LISTENER_PORT_DENIED: kind('POSIX', 13, 'Ports below 1024 need privileges: choose a higher one.'),
  LISTENER_STOPPED: kind('WebSocket', 11001, 'The listener was stopped.', true),

  // Replication
  REPLICATION_PROTOCOL_ERROR: kind('CouchbaseLite', 26, 'The peer broke the rules of the replication protocol.'),
  REPLICATION_REMOTE_ERROR: kind('CouchbaseLite', 26, 'The peer answered with the error in the message.'),
  REPLICATION_PULL_ONLY: kind(
    'CouchbaseLite',
    19,
    'A replicator that only pulls has nothing that waits to be pushed: ask one that pushes.',
  ),
  FILTER_FAILED: kind(
    'CouchbaseLite',
    10,
    'Correct the filter: the document is offered again when the replicator starts the next time.',
  ),
  CONFLICT_RESOLVER_FAILED: kind(
    'CouchbaseLite',
    10,
    'Correct the conflict resolver: the conflict waits and is taken up when a replicator starts the next time.',
  ),
  REPLICATION_BACKLOG_FULL: kind(
    'Hawser',
    4,
    'Too many received revisions wait for their blobs: this one is offered again later.',
    true,
  ),
  REPLICATION_PEER_SILENT: kind(
    'Network',
    5003,
    'The peer neither answered nor closed; a replicator tries again by itself.',
    true,
  ),
  REPLICATOR_STOPPED: kind('Hawser', 2, 'Start the replicator first.'),
} as const satisfies Record<string, ErrorKind>;

/** A stable name for what went wrong. */
export type ErrorCode = keyof typeof ERRORS;

export interface HawserErrorOptions {
  /** What caused it, kept as `error.cause`. */
  readonly cause?: unknown;
  /** Overrides the number of the table where the situation carries its own (an HTTP status, a close code, an errno). */
  readonly number?: number;
  /** Overrides the domain of the table. */
  readonly domain?: ErrorDomain;
  /** Overrides the table where the situation decides. */
  readonly retryable?: boolean;
  /** Overrides the table where more can be said. */
  readonly hint?: string;
}

const BRAND = Symbol.for('hawser.error');

/** The only error class of hawser's own situations. */
export class HawserError extends Error {
  readonly code: ErrorCode;
  /** Couchbase Lite's domain and number, see {@link ErrorDomain}. */
  readonly domain: ErrorDomain;
  readonly number: number;
  readonly retryable: boolean;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: HawserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const entry: ErrorKind = ERRORS[code];
    this.code = code;
    this.domain = options.domain ?? entry.domain;
    this.number = options.number ?? entry.number;
    this.retryable = options.retryable ?? entry.retryable;
    this.hint = options.hint ?? entry.hint;
    Object.defineProperty(this, BRAND, { value: true });
  }

  override get name(): string {
    return 'HawserError';
  }
}

/** True for an error of any copy of this package. */
export function isHawserError(error: unknown): error is HawserError {
  return error instanceof Error && (error as { [BRAND]?: unknown })[BRAND] === true;
}
