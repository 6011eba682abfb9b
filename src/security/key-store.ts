/**
 * Identities on disk, one file for each, named by labels. A file holds the private key and the certificates in PEM, for its
 * owner alone (mode 0600, in a folder of mode 0700); with a passphrase the keys are encrypted.
 *
 * Invariant: several processes may use one store. A file appears whole or not at all, and a label is taken once.
 */
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { checkOptions } from '../base/index.js';
import { HawserError, isHawserError } from '../errors.js';
import type { CreateIdentityOptions } from './create-identity.js';
import { encryptedKeyOfPem, MAX_SIZE, readCertificates } from './identity-encoding.js';
import { fileNameOf, labelOf } from './identity-label.js';
import { checkPassphrase, decryptPrivateKey, encryptPrivateKey } from './private-key-encryption.js';
import { createSecretFile, deleteSecretFile, filesIn, readSecretFile, secretDirectory } from './secret-file.js';
import { TLSIdentity } from './tls-identity.js';

export interface KeyStoreOptions {
  /**
   * Encrypts the private keys: 1 to 1024 bytes. The same for all identities of the store. Each look-up then takes some
   * tenths of a second and 16 MiB on a small device, on purpose.
   * @default the keys are not encrypted, and are as safe as the folder
   */
  readonly passphrase?: string;
}

export class KeyStore {
  readonly directory: string;
  readonly #passphrase: string | undefined;

  private constructor(directory: string, passphrase: string | undefined) {
    this.directory = directory;
    this.#passphrase = passphrase;
  }

  /**
   * Opens the store in a folder, which is made if it is missing.
   *
   * @throws `IDENTITY_FILE_UNSAFE` if others can reach the folder; `IDENTITY_PASSWORD_WRONG` if the passphrase is not that of
   *   the identities in it, or missing; `STORAGE_FULL`, `STORAGE_READ_ONLY` or `STORAGE_IO_ERROR`, as all methods do, if the
   *   disk does not let us
   */
  static async open(directory: string, options: KeyStoreOptions = {}): Promise<KeyStore> {
    checkOptions('KeyStore.open', options, ['passphrase']);
    const { passphrase } = options;
    if (passphrase !== undefined) checkPassphrase(passphrase);
    const store = new KeyStore(resolve(directory), passphrase);
    await secretDirectory(store.directory);
    await store.#checkPassphrase();
    return store;
  }

  /**
   * Makes an identity and keeps it under the label: 1 to 64 bytes of UTF-8, any text.
   *
   * @throws `IDENTITY_EXISTS` if the label is taken, `IDENTITY_LABEL_INVALID`, and what `TLSIdentity.create` throws; nothing
   *   is kept then
   */
  async createIdentity(label: string, options: CreateIdentityOptions): Promise<TLSIdentity> {
    this.#pathOf(label); // is it a label?
    if ((await this.labels()).includes(label)) throw taken(label); // before the work; the file decides in the end
    const identity = await TLSIdentity.create(options);
    await this.importIdentity(label, identity);
    return identity;
  }

  /** Keeps an identity under a label. @throws `IDENTITY_EXISTS` if the label is taken, `IDENTITY_LABEL_INVALID` */
  async importIdentity(label: string, identity: TLSIdentity): Promise<void> {
    const path = this.#pathOf(label);
    const key =
      this.#passphrase === undefined
        ? identity.privateKeyPem()
        : await encryptPrivateKey(identity.privateKey, this.#passphrase);
    if (!(await createSecretFile(path, key + identity.certificatePem()))) throw taken(label);
  }

  /**
   * The identity with that label, `undefined` if there is none.
   * @throws `IDENTITY_INVALID` if its file is damaged, `IDENTITY_FILE_UNSAFE` if others can read it
   */
  async identity(label: string): Promise<TLSIdentity | undefined> {
    const path = this.#pathOf(label);
    const text = await readSecretFile(path, MAX_SIZE);
    if (text === undefined) return undefined;
    try {
      return await this.#parse(text);
    } catch (cause) {
      if (!isHawserError(cause)) throw cause;
      throw new HawserError(cause.code, `${path}: ${cause.message}`, { cause, hint: cause.hint });
    }
  }

  /** False if there was none. */
  async deleteIdentity(label: string): Promise<boolean> {
    return deleteSecretFile(this.#pathOf(label));
  }

  /** In alphabetical order. */
  async labels(): Promise<string[]> {
    const files = await filesIn(this.directory);
    return files.flatMap((file) => labelOf(file) ?? []).sort();
  }

  [inspect.custom](): string {
    return `KeyStore ${inspect({ directory: this.directory, encrypted: this.#passphrase !== undefined })}`;
  }

  async #parse(text: string): Promise<TLSIdentity> {
    const encrypted = encryptedKeyOfPem(text);
    if (encrypted === undefined) {
      const identity = TLSIdentity.fromPem(text);
      if (this.#passphrase === undefined) return identity;
      throw passphraseError('the keys of this store are not encrypted: open it without a passphrase');
    }
    if (this.#passphrase === undefined) {
      throw passphraseError('the keys of this store are encrypted: open it with its passphrase');
    }
    const privateKey = await decryptPrivateKey(encrypted, this.#passphrase);
    return new TLSIdentity({ privateKey, certs: readCertificates(text) });
  }

  /**
   * By the first identity that it opens, so that all are always encrypted alike. A damaged one is no reason to refuse, but
   * each try is expensive.
   */
  async #checkPassphrase(): Promise<void> {
    const wrong: HawserError[] = [];
    for (const label of await this.labels()) {
      try {
        if ((await this.identity(label)) !== undefined) return;
      } catch (error) {
        if (!isHawserError(error)) throw error;
        if (error.code === 'IDENTITY_PASSWORD_WRONG') wrong.push(error);
        if (wrong.length === MAX_TRIES) break;
      }
    }
    const [first] = wrong;
    if (first !== undefined) throw first;
  }

  #pathOf(label: string): string {
    return join(this.directory, fileNameOf(label));
  }
}

function taken(label: string): HawserError {
  return new HawserError('IDENTITY_EXISTS', `there is an identity with the label ${JSON.stringify(label)} already`);
}

function passphraseError(message: string): HawserError {
  return new HawserError('IDENTITY_PASSWORD_WRONG', message);
}

const MAX_TRIES = 3;
