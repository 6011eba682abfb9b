/** Comparing secrets in a time that tells nothing about them. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { systemRandom } from '../base/index.js';

/** Secrets as digests under a key of this process: they all have one length, and cannot be read back. */
export class SecretDigests {
  readonly #key = systemRandom.bytes(32);

  of(secret: string): Buffer {
    return createHmac('sha256', this.#key).update(secret, 'utf8').digest();
  }

  /** Takes as long whether they differ in the first character, in the last, or not at all. */
  match(secret: string, digest: Buffer): boolean {
    return timingSafeEqual(this.of(secret), digest);
  }
}

/**
 * Whether two secrets are the same, for a password callback: `===` takes longer the more of a password is right, which can be
 * measured over many attempts. Anything but two strings is not the same.
 */
export function secretsEqual(a: string | undefined, b: string | undefined): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  const digests = new SecretDigests();
  return digests.match(a, digests.of(b));
}
