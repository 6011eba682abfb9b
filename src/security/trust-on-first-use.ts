/**
 * Believes every server the first time and nobody else under that name from then on, as SSH does. Whoever stands between
 * the two at the first time is believed too: pin where you can.
 *
 * Invariant: a server is trusted only after its certificate is on disk, and no name loses its certificate but by `forget`.
 */
import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { HawserError, isHawserError } from '../errors.js';
import { describeCertificate, matchesPin } from './pinned-certificate.js';
import { readSecretFile, writeSecretFile } from './secret-file.js';
import type { ServerTrustPolicy, ShownServer } from './server-trust.js';

export class TrustOnFirstUse implements ServerTrustPolicy {
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  /**
   * Remembers in a JSON file of names (`host:port`) and certificates (PEM), mode 0600. It is made at the first contact, its
   * folder too (mode 0700), and read again for every decision: what somebody forgets by hand is forgotten. Several objects
   * of one process may share it, several processes must not: of two that write at the same time only one is remembered.
   *
   * @throws `TRUST_FILE_INVALID` if the file is damaged, `IDENTITY_FILE_UNSAFE` if others can read or change it,
   *   `STORAGE_IO_ERROR`, `STORAGE_READ_ONLY` or `STORAGE_FULL` if the disk does not let us. Each decision may end with them
   */
  static async open(file: string): Promise<TrustOnFirstUse> {
    if (typeof file !== 'string' || file === '' || file.includes('\0')) {
      throw new HawserError('ARGUMENT_INVALID', 'TrustOnFirstUse.open: the file must be a path');
    }
    const path = resolve(file);
    certificatesOf(path, await read(path));
    return new TrustOnFirstUse(path);
  }

  /**
   * Trusts a server of a new name, and remembers its certificate, up to 10,000 names and 16 MiB (`TRUST_FILE_FULL`). Trusts
   * a server of a known name if the remembered certificate would do as a pin, with a renewed certificate of the same key
   * too; resolves to `TLS_CERTIFICATE_CHANGED` otherwise. Of several first contacts at the same time one is the first.
   */
  judge({ name, chain }: ShownServer): Promise<HawserError | undefined> {
    return alone(this.file, async () => {
      const [leaf] = chain;
      if (leaf === undefined) return new HawserError('TLS_CERTIFICATE_UNTRUSTED', `${name} has shown no certificate`);
      const known = await read(this.file);
      const pem = known.get(name);
      if (pem === undefined) {
        await write(this.file, known.set(name, leaf.toString()));
        return undefined;
      }
      const first = certificateOf(this.file, name, pem);
      if (matchesPin(chain, first)) return undefined;
      return new HawserError(
        'TLS_CERTIFICATE_CHANGED',
        `${name} shows another certificate (${describeCertificate(leaf)}) than at first (${describeCertificate(first)})`,
      );
    });
  }

  /** The names that are known, with the certificate of each. Rejects as `open` does. */
  known(): Promise<Map<string, X509Certificate>> {
    return alone(this.file, async () => certificatesOf(this.file, await read(this.file)));
  }

  /** The next contact with that name is a first one. Resolves to false if it was not known; rejects as `open` does. */
  forget(name: string): Promise<boolean> {
    return alone(this.file, async () => {
      const known = await read(this.file);
      if (!known.delete(name)) return false;
      await write(this.file, known);
      return true;
    });
  }
}

/** What is going on with a file, by path: the objects that share one take turns. */
const turns = new Map<string, Promise<unknown>>();

function alone<T>(file: string, work: () => Promise<T>): Promise<T> {
  const result = (turns.get(file) ?? Promise.resolve()).then(work);
  const turn = result
    .catch(() => undefined)
    .finally(() => {
      if (turns.get(file) === turn) turns.delete(file);
    });
  turns.set(file, turn);
  return result;
}

/** PEM by name. Whether it is PEM is seen when it is looked at. */
async function read(file: string): Promise<Map<string, unknown>> {
  const text = await readSecretFile(file, MAX_BYTES).catch((cause: unknown) => {
    if (!isHawserError(cause)) throw cause;
    if (cause.code === 'IDENTITY_INVALID') throw invalid(file, cause.message);
    if (cause.code !== 'IDENTITY_FILE_UNSAFE') throw cause;
    const hint = 'chmod 600 the file: whoever can change it decides whom we trust.';
    throw new HawserError('IDENTITY_FILE_UNSAFE', cause.message, { cause, hint });
  });
  if (text === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(file, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(file, 'it is not a JSON object');
  return new Map(Object.entries(value));
}

function certificatesOf(file: string, known: ReadonlyMap<string, unknown>): Map<string, X509Certificate> {
  return new Map([...known].map(([name, pem]) => [name, certificateOf(file, name, pem)]));
}

function certificateOf(file: string, name: string, pem: unknown): X509Certificate {
  try {
    if (typeof pem === 'string') return new X509Certificate(pem);
  } catch {
    // Said below.
  }
  throw invalid(file, `the certificate of ${JSON.stringify(name)} is not PEM`);
}

function invalid(file: string, why: string): HawserError {
  return new HawserError('TRUST_FILE_INVALID', `the known servers in ${file} cannot be read: ${why}`);
}

async function write(file: string, known: ReadonlyMap<string, unknown>): Promise<void> {
  // Not by assignment: a name like __proto__ is one like any other.
  const text = `${JSON.stringify(Object.fromEntries(known), undefined, 2)}\n`;
  if (known.size > MAX_NAMES || Buffer.byteLength(text) > MAX_BYTES) {
    throw new HawserError(
      'TRUST_FILE_FULL',
      `${file} would hold more than ${MAX_NAMES} servers or ${MAX_BYTES} bytes: nothing was changed`,
    );
  }
  await writeSecretFile(file, text);
}

const MAX_NAMES = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
