/**
 * The identity of a listener that was given none: a self-signed certificate that encrypts but names nobody, made once
 * and kept in a file, so that a certificate which a peer has pinned is still the right one after a restart.
 *
 * Invariant: the key is made once and never changes. A new certificate for it is made before the old one ends.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { join, resolve } from 'node:path';
import { consoleLogger, systemClock, type Clock, type Logger } from '../base/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { buildCertificate } from './certificate.js';
import { beginOfValidity, believedTime, DAY_MS, newKeyPair } from './create-identity.js';
import { createSecretFile, readSecretFile, writeSecretFile } from './secret-file.js';
import { TLSIdentity } from './tls-identity.js';

export interface AnonymousIdentityOptions {
  readonly clock?: Clock;
  /** Told when the certificate is renewed. @default warnings go to standard error */
  readonly logger?: Logger;
}

/**
 * The identity kept in `<directory>/anonymous.pem`, or a new one that is kept there from now on. The folder is made if it
 * is missing (mode 0700); the file has mode 0600. Calls at the same time get the same identity, whichever process they
 * come from.
 *
 * A certificate with less than 30 days left is renewed: same key, same subject, so that peers which pinned the old one
 * still recognise it. If the disk does not take the new one it is used all the same, and made again at the next call.
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

/**
 * From when on `anonymousIdentity` renews the certificate: milliseconds since the epoch. A listener that runs for longer
 * asks again then.
 */
export function renewalDueAt(identity: TLSIdentity): number {
  return identity.expiration.getTime() - RENEWED_DAYS * DAY_MS;
}

/** Calls that have not finished, by path: a second caller joins the first. */
const inProgress = new Map<string, Promise<TLSIdentity>>();

async function findOrMake(path: string, options: AnonymousIdentityOptions): Promise<TLSIdentity> {
  const { clock = systemClock, logger = consoleLogger() } = options;
  const found = await read(path);
  if (found === undefined) return keep(path, await make((await newKeyPair()).privateKey, clock));
  return clock.now() < renewalDueAt(found) ? found : renew(path, found, clock, logger);
}

/** The identity in the file; `undefined` if there is no file. */
async function read(path: string): Promise<TLSIdentity | undefined> {
  try {
    const text = await readSecretFile(path);
    return text === undefined ? undefined : TLSIdentity.fromPem(text);
  } catch (cause) {
    if (!isHawserError(cause) || !DAMAGED.has(cause.code)) throw cause;
    throw new HawserError('IDENTITY_INVALID', `${path} is damaged: ${cause.message}`, {
      cause,
      hint: 'Restore the file from a copy, or delete it to get a new identity (peers that pinned the old one must pin the new one).',
    });
  }
}

async function make(privateKey: KeyObject, clock: Clock): Promise<TLSIdentity> {
  const certificate = await buildCertificate({
    subject: { commonName: COMMON_NAME },
    publicKey: createPublicKey(privateKey),
    validFrom: beginOfValidity(clock),
    // Ten years, because nobody comes by to renew the certificate of a device that is built into a machine.
    validTo: new Date(believedTime(clock) + VALID_DAYS * DAY_MS),
    keyUsages: ['serverAuth'],
    issuer: { privateKey },
  });
  return new TLSIdentity({ privateKey, certs: [certificate] });
}

/** What is in the file then: another process may have been faster. */
async function keep(path: string, identity: TLSIdentity): Promise<TLSIdentity> {
  if (await createSecretFile(path, textOf(identity))) return identity;
  return (await read(path)) ?? identity;
}

async function renew(path: string, old: TLSIdentity, clock: Clock, logger: Logger): Promise<TLSIdentity> {
  const renewed = await make(old.privateKey, clock);
  const ends = `${old.expiration.getTime() <= clock.now() ? 'expired' : 'expires'} on ${old.expiration.toISOString()}`;
  logger.log('warning', 'listener', `${path} ${ends} and is renewed, with the same key: peers that pinned it know it`);
  try {
    await writeSecretFile(path, textOf(renewed));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.log('warning', 'listener', `the renewed certificate could not be kept: ${reason}`);
  }
  return renewed;
}

function textOf(identity: TLSIdentity): string {
  return identity.privateKeyPem() + identity.certificatePem();
}

const FILE_NAME = 'anonymous.pem';
const COMMON_NAME = 'hawser anonymous identity';
const VALID_DAYS = 3652;
const RENEWED_DAYS = 30;
/** An encrypted key is none of ours either. */
const DAMAGED: ReadonlySet<string> = new Set(['IDENTITY_INVALID', 'IDENTITY_PASSWORD_WRONG']);
