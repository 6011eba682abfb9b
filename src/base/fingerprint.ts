/** The text that stands for a certificate. */
import { HawserError } from '../errors.js';

/** @throws `ARGUMENT_INVALID` unless it is a SHA-256 fingerprint: 64 hex digits, or 32 pairs of them with colons between */
export function checkFingerprint(where: string, fingerprint: unknown): void {
  if (typeof fingerprint === 'string' && FINGERPRINT.test(fingerprint)) return;
  throw new HawserError(
    'ARGUMENT_INVALID',
    `${where} must be a SHA-256 fingerprint: 64 hex digits, or 32 pairs of them with colons between, as in A1:B2:…`,
  );
}

const FINGERPRINT = /^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i;
