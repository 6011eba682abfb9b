/**
 * Private keys encrypted by a passphrase: PKCS #8 as any tool reads it (`openssl pkey -in`), with scrypt (RFC 7914) in place
 * of the 2,048 rounds of a plain hash that OpenSSL writes by default. Who has stolen the flash of a device can try
 * passphrases at his leisure, and each try shall cost him time and 16 MiB of memory.
 */
import { createCipheriv, type KeyObject } from 'node:crypto';
import { systemRandom } from '../base/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { asn1Writer } from './asn1-writer.js';
import { octetsOf, readDer, sequenceOf } from './der-reader.js';
import { MAX_PASSPHRASE, readPlainKey } from './identity-encoding.js';
import { readPasswordEncryption, scryptKey, wrongPassword } from './password-encryption.js';

/** The key as PEM. */
export async function encryptPrivateKey(key: KeyObject, passphrase: string): Promise<string> {
  const [salt, iv] = [Buffer.from(systemRandom.bytes(16)), Buffer.from(systemRandom.bytes(16))];
  const cipher = createCipheriv('aes-256-cbc', await scryptKey(passphrase, salt, SCRYPT_COST, 32), iv);
  const plain = key.export({ format: 'der', type: 'pkcs8' });
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const { der, sequence, oid, octets, integer } = await asn1Writer();
  const { N, r, p } = SCRYPT_COST;
  const derivation = sequence(oid(SCRYPT), sequence(octets(salt), integer(N), integer(r), integer(p)));
  const scheme = sequence(oid(AES_256_CBC), octets(iv));
  const algorithm = sequence(oid(PBES2), sequence(derivation, scheme));
  const lines = der(sequence(algorithm, octets(encrypted)))
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${lines}-----END ENCRYPTED PRIVATE KEY-----\n`;
}

/**
 * The key in the bytes of an encrypted PKCS #8 structure. The event loop goes on meanwhile.
 * @throws `IDENTITY_PASSWORD_WRONG`; `IDENTITY_INVALID` if it is damaged
 */
export async function decryptPrivateKey(der: Buffer, passphrase: string): Promise<KeyObject> {
  const [algorithm, data] = sequenceOf(readDer(der));
  const plain = await readPasswordEncryption(algorithm).decrypt(passphrase, octetsOf(data));
  try {
    return readPlainKey(plain);
  } catch (cause) {
    // The padding of a wrong passphrase looks right once in some hundreds of times.
    throw isHawserError(cause) ? wrongPassword(cause) : cause;
  }
}

/** @throws `ARGUMENT_INVALID` if it is no text of 1 to 1024 bytes, which is what OpenSSL takes */
export function checkPassphrase(passphrase: unknown): void {
  if (typeof passphrase === 'string' && passphrase !== '' && Buffer.byteLength(passphrase) <= MAX_PASSPHRASE) return;
  throw new HawserError('ARGUMENT_INVALID', `the passphrase must be a text of 1 to ${MAX_PASSPHRASE} bytes`);
}

/** 16 MiB, and some tenths of a second on a small device. OpenSSL reads nothing that needs more than 32 MiB. */
const SCRYPT_COST = { N: 16_384, r: 8, p: 5 };
const PBES2 = '1.2.840.113549.1.5.13';
const SCRYPT = '1.3.6.1.4.1.11591.4.11';
const AES_256_CBC = '2.16.840.1.101.3.4.1.42';
