/**
 * Encryption by a password, as encrypted PKCS #8 keys and PKCS #12 files have it (RFC 8018, RFC 7292 appendix B and C). Node
 * does the computing, away from the event loop where it can; RC2, which old tools still use for certificates, is
 * node-forge's.
 *
 * The file itself says how often its password is hashed, up to thousands of millions of times: that is looked at before
 * anything is computed.
 */
import { createDecipheriv, createHash, pbkdf2, scrypt, type BinaryLike } from 'node:crypto';
import { promisify } from 'node:util';
import { HawserError } from '../errors.js';
import { numberOf, octetsOf, oidOf, sequenceOf, TAG, type DerValue } from './der-reader.js';

export interface PasswordEncryption {
  /** How much work a password is: about so many computations of a hash. */
  readonly effort: number;
  /** @throws `IDENTITY_PASSWORD_WRONG` if the password does not fit, but for one wrong password in some hundreds */
  decrypt(password: string, data: Buffer): Promise<Buffer>;
}

/**
 * Reads an AlgorithmIdentifier. Computes nothing yet.
 * @throws `IDENTITY_INVALID` if it is damaged, unknown or too much work
 */
export function readPasswordEncryption(algorithm: DerValue | undefined): PasswordEncryption {
  const [id, parameters] = sequenceOf(algorithm);
  const name = oidOf(id);
  const found = name === PBES2 ? readPbes2(parameters) : readPkcs12Encryption(name, parameters);
  checkEffort(found.effort);
  return found;
}

/** @throws `IDENTITY_INVALID` if it would keep the processor busy for longer than any honest file does */
export function checkEffort(effort: number): void {
  if (effort <= MAX_EFFORT) return;
  const message = `the password is hashed ${effort} times, which is more than ${MAX_EFFORT} and would take too long`;
  throw new HawserError('IDENTITY_INVALID', message, { hint: 'Export the key again with fewer iterations.' });
}

export function wrongPassword(cause?: unknown): HawserError {
  return new HawserError('IDENTITY_PASSWORD_WRONG', 'the password does not fit, or the data is damaged', { cause });
}

type DeriveKey = (password: string, size: number) => Promise<Buffer>;

function readPbes2(parameters: DerValue | undefined): PasswordEncryption {
  const [derivation, scheme] = sequenceOf(parameters);
  const [schemeId, iv] = sequenceOf(scheme);
  const cipher = CIPHERS[oidOf(schemeId)];
  if (cipher === undefined) throw unknown('cipher', oidOf(schemeId));
  const ivBytes = octetsOf(iv);
  const { effort, deriveKey } = readDerivation(derivation);
  return {
    effort,
    decrypt: async (password, data) => decipher(cipher.name, await deriveKey(password, cipher.keySize), ivBytes, data),
  };
}

function readDerivation(derivation: DerValue | undefined): { readonly effort: number; readonly deriveKey: DeriveKey } {
  const [id, parameters] = sequenceOf(derivation);
  const [salt, first, ...rest] = sequenceOf(parameters);
  const saltBytes = octetsOf(salt);
  if (oidOf(id) === SCRYPT) {
    const [N, r, p] = [numberOf(first), numberOf(rest[0]), numberOf(rest[1])];
    return { effort: N * r * p, deriveKey: (password, size) => scryptKey(password, saltBytes, { N, r, p }, size) };
  }
  if (oidOf(id) !== PBKDF2) throw unknown('key derivation', oidOf(id));
  const rounds = numberOf(first);
  const prf = rest.find(({ tag }) => tag === TAG.SEQUENCE); // behind the length of the key, which the cipher says too
  const prfId = prf === undefined ? HMAC_SHA1 : oidOf(sequenceOf(prf)[0]);
  const hash = PSEUDO_RANDOM[prfId];
  if (hash === undefined || rounds === 0) throw unknown('key derivation', prfId);
  return {
    effort: rounds,
    deriveKey: (password, size) => promisify(pbkdf2)(password, saltBytes, rounds, size, hash),
  };
}

/** OpenSSL reads no keys that need more than 32 MiB for scrypt, nor do we. */
export async function scryptKey(
  password: string,
  salt: Buffer,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
  size: number,
): Promise<Buffer> {
  try {
    return await promisify<BinaryLike, BinaryLike, number, object, Buffer>(scrypt)(password, salt, size, { N, r, p });
  } catch (cause) {
    throw new HawserError('IDENTITY_INVALID', `the parameters of scrypt are not usable: ${N}, ${r}, ${p}`, { cause });
  }
}

/** The ciphers of RFC 7292 appendix C: SHA-1, and key and IV from the same password. */
function readPkcs12Encryption(name: string, parameters: DerValue | undefined): PasswordEncryption {
  const cipher = PKCS12_CIPHERS[name];
  if (cipher === undefined) throw unknown('encryption', name);
  const [salt, iterations] = sequenceOf(parameters);
  const [saltBytes, rounds] = [octetsOf(salt), numberOf(iterations)];
  const derive = (use: 1 | 2, password: string, size: number) =>
    pkcs12Key('sha1', use, password, saltBytes, rounds, size);
  return {
    effort: rounds * (Math.ceil(cipher.keySize / 20) + 1),
    decrypt: async (password, data) => {
      const key = await derive(1, password, cipher.keySize);
      const iv = await derive(2, password, 8);
      if (cipher.name === 'rc2') return decipherRc2(key, iv, data);
      // Two keys, the first is used again at the end.
      return decipher('des-ede3-cbc', Buffer.concat([key, key]).subarray(0, 24), iv, data);
    },
  };
}

/**
 * RFC 7292 B.2. Node has no function for it, so the hashing gives way to other work now and then.
 * @param use 1 for a key, 2 for an IV, 3 for a MAC
 */
export async function pkcs12Key(
  hash: string,
  use: 1 | 2 | 3,
  password: string,
  salt: Buffer,
  rounds: number,
  size: number,
): Promise<Buffer> {
  const blockSize = hash === 'sha384' || hash === 'sha512' ? 128 : 64;
  const fill = (bytes: Buffer): Buffer =>
    Buffer.alloc(Math.ceil(bytes.length / blockSize) * blockSize, bytes.length === 0 ? 0 : bytes);
  const characters = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const input = Buffer.concat([fill(salt), fill(characters)]);
  const blocks: Buffer[] = [];
  for (let done = 0; done < size;) {
    let block = createHash(hash).update(Buffer.alloc(blockSize, use)).update(input).digest();
    for (let round = 1; round < rounds; round++) {
      block = createHash(hash).update(block).digest();
      if (round % ROUNDS_AT_ONCE === 0) await new Promise(setImmediate);
    }
    blocks.push(block);
    done += block.length;
    const increment = Buffer.alloc(blockSize, block);
    for (let at = 0; at < input.length; at += blockSize) addPlusOne(input.subarray(at, at + blockSize), increment);
  }
  return Buffer.concat(blocks).subarray(0, size);
}

/** Adds `increment` + 1 to `block`, as numbers of the same size; what is carried out of them is lost. */
function addPlusOne(block: Buffer, increment: Buffer): void {
  let carry = 1;
  for (let at = block.length - 1; at >= 0; at--) {
    carry += (block[at] ?? 0) + (increment[at] ?? 0);
    block[at] = carry & 0xff;
    carry >>= 8;
  }
}

function decipher(name: string, key: Buffer, iv: Buffer, data: Buffer): Buffer {
  try {
    const cipher = createDecipheriv(name, key, iv);
    return Buffer.concat([cipher.update(data), cipher.final()]);
  } catch (cause) {
    throw wrongPassword(cause);
  }
}

async function decipherRc2(key: Buffer, iv: Buffer, data: Buffer): Promise<Buffer> {
  const { rc2, util } = (await import('node-forge')).default;
  const cipher = rc2.createDecryptionCipher(key.toString('latin1'), key.length * 8);
  cipher.start(iv.toString('latin1'));
  cipher.update(util.createBuffer(data.toString('latin1')));
  if (!cipher.finish()) throw wrongPassword();
  return Buffer.from(cipher.output.getBytes(), 'latin1');
}

function unknown(what: string, id: string): HawserError {
  return new HawserError('IDENTITY_INVALID', `the ${what} ${id} is not supported`, {
    hint: 'Export the key again, with AES-256 and SHA-256.',
  });
}

/** Firefox hashes a password 600,000 times, three times in a file; nobody who is honest goes far beyond. */
const MAX_EFFORT = 2_000_000;
const ROUNDS_AT_ONCE = 1000;

const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const SCRYPT = '1.3.6.1.4.1.11591.4.11';
const HMAC_SHA1 = '1.2.840.113549.2.7';
const PSEUDO_RANDOM: Readonly<Record<string, string>> = {
  [HMAC_SHA1]: 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const CIPHERS: Readonly<Record<string, { readonly name: string; readonly keySize: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keySize: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keySize: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keySize: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keySize: 24 },
};
const PKCS12_CIPHERS: Readonly<Record<string, { readonly name: '3des' | 'rc2'; readonly keySize: number }>> = {
  '1.2.840.113549.1.12.1.3': { name: '3des', keySize: 24 },
  '1.2.840.113549.1.12.1.4': { name: '3des', keySize: 16 },
  '1.2.840.113549.1.12.1.5': { name: 'rc2', keySize: 16 },
  '1.2.840.113549.1.12.1.6': { name: 'rc2', keySize: 5 },
};
