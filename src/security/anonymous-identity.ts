/**
 * The identity of a listener that was given none: a self-signed certificate that encrypts but names nobody, made once
 * and kept in a file, so that a certificate which a peer has pinned is still the right one after a restart.
 *
 * Invariant: the file appears whole or not at all, and a private key that others could read is never used.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { link, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { consoleLogger, systemClock, systemRandom, type Clock, type Logger } from '../base/index.js';
import { HawserError, isHawserError, type ErrorCode } from '../errors.js';
import { buildCertificate } from './certificate.js';
import { TLSIdentity } from './tls-identity.js';

export interface AnonymousIdentityOptions {
  readonly clock?: Clock;
  /** Told when an expired identity is replaced. @default warnings go to standard error */
  readonly logger?: Logger;
}

/**
 * The identity kept in `<directory>/anonymous.pem`, or a new one that is kept there from now on. The folder is made if it
 * is missing (mode 0700); the file has mode 0600. Calls at the same time get the same identity, whichever process they
 * come from. An expired identity is replaced.
 *
 * @throws `IDENTITY_FILE_UNSAFE` if others can read the file, `IDENTITY_INVALID` if it is damaged; `STORAGE_FULL`,
 *   `STORAGE_READ_ONLY` or `STORAGE_IO_ERROR` if it can be neither read nor written
 */
export function anonymousIdentity(directory: string, options: AnonymousIdentityOptions = {}): Promise<TLSIdentity> {
  const path = join(resolve(directory), FILE_NAME);
  const loading = inProgress.get(path);
  if (loading !== undefined) return loading;
  const identity = findOrMake(path, options).finally(() => inProgress.delete(path));
  inProgress.set(path, identity);
  return identity;
}

/** Calls that have not finished, by path: a second caller joins the first. */
const inProgress = new Map<string, Promise<TLSIdentity>>();

async function findOrMake(path: string, options: AnonymousIdentityOptions): Promise<TLSIdentity> {
  const { clock = systemClock, logger = consoleLogger() } = options;
  try {
    const found = await read(path);
    if (found !== undefined && found.expiration.getTime() > clock.now()) return found;
    if (found !== undefined) {
      const date = found.expiration.toISOString();
      logger.log(
        'warning',
        'listener',
        `${path} expired on ${date} and is replaced: peers that pinned it must pin the new one`,
      );
    }
    return await keep(path, await make(clock), found !== undefined);
  } catch (error) {
    throw isHawserError(error) ? error : fileError(path, error);
  }
}

/** The identity in the file; `undefined` if there is no file. */
async function read(path: string): Promise<TLSIdentity | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, size } = await file.stat(); // of the opened file, so that it can't be exchanged in between
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new HawserError(
        'IDENTITY_FILE_UNSAFE',
        `${path} has mode ${octal}: other users can reach the private key in it`,
      );
    }
    if (size > MAX_FILE_SIZE)
      throw new HawserError('IDENTITY_INVALID', `${path} is too large for a key and a certificate`);
    return TLSIdentity.fromPem(await file.readFile('utf8'));
  } catch (cause) {
    if (!isHawserError(cause) || cause.code !== 'IDENTITY_INVALID') throw cause;
    throw new HawserError('IDENTITY_INVALID', `${path} is damaged: ${cause.message}`, {
      cause,
      hint: 'Restore the file from a copy, or delete it to get a new identity (peers that pinned the old one must pin the new one).',
    });
  } finally {
    await file.close();
  }
}

async function make(clock: Clock): Promise<TLSIdentity> {
  const privateKey = newKey();
  // The clock of a device without a battery starts in 1970 and a wrong one would be in the certificate for good, so a time
  // before this program was written is not believed. One day earlier than now, because the peer's clock may be behind;
  // ten years, because nobody renews the certificate of a device that is built into a machine, and its peers pin it.
  const now = Math.max(clock.now(), WRITTEN);
  const certificate = await buildCertificate({
    commonName: COMMON_NAME,
    privateKey,
    validFrom: new Date(now - DAY_MS),
    validTo: new Date(now + VALID_DAYS * DAY_MS),
  });
  return new TLSIdentity({ privateKey, certs: [certificate] });
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** Writes the file and returns what is in it then: another process may have been faster. */
async function keep(path: string, identity: TLSIdentity, replace: boolean): Promise<TLSIdentity> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const temporary = `${path}.${Buffer.from(systemRandom.bytes(6)).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(identity.privateKeyPem() + identity.certificatePem());
      await file.sync();
    } finally {
      await file.close();
    }
    if (replace) await rename(temporary, path);
    else if (!(await putNew(temporary, path))) return (await read(path)) ?? identity;
    await syncDirectory(directory);
    return identity;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT') throw error; // a recursive call would not say what is wrong with the disk
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
}

/** Gives the file its name unless that is taken (false). */
async function putNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') return false;
    if (code === undefined || !NO_HARD_LINKS.has(code)) throw error;
    await rename(temporary, path);
  }
  return true;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error; // a file system that cannot sync folders
  } finally {
    await handle.close();
  }
}

function fileError(path: string, cause: unknown): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  const code: ErrorCode = FILE_ERRORS[errno] ?? 'STORAGE_IO_ERROR';
  return new HawserError(code, `the TLS identity in ${path} can be neither read nor made: ${errno}`, { cause });
}

function errnoOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const FILE_NAME = 'anonymous.pem';
const COMMON_NAME = 'hawser anonymous identity';
const WRITTEN = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const VALID_DAYS = 3652;
const MAX_FILE_SIZE = 65_536;
/** FAT and some network file systems. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);
const FILE_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EROFS: 'STORAGE_READ_ONLY',
  EACCES: 'STORAGE_READ_ONLY',
  EPERM: 'STORAGE_READ_ONLY',
};
