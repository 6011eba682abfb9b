/** A listener that asks for certificates, and who has which: as plain texts, which travel to processes of their own. */
import { issue, type Issuer, type IssueOptions } from '../support/certificates.js';
import type { PemIdentity } from './intruder.js';

export interface Certificates {
  /** Whoever it issued a certificate for may come in. */
  readonly root: string;
  readonly honest: PemIdentity;
  /** An account of the attackers' own. */
  readonly mallory: PemIdentity;
  /** Must not open the door. */
  readonly wrong: readonly PemIdentity[];
}

export async function makeCertificates(): Promise<Certificates> {
  const root = await issue('fleet', { ca: true });
  // Of the same name and another key.
  const impostor = await issue('fleet', { ca: true });
  const [lastYear, yesterday] = [new Date(Date.now() - 365 * DAY_MS), new Date(Date.now() - DAY_MS)];
  const [tomorrow, nextYear] = [new Date(Date.now() + DAY_MS), new Date(Date.now() + 365 * DAY_MS)];
  const honest = await issue('honest', { issuer: root });
  const wrong: readonly IssueOptions[] = [
    {},
    { issuer: impostor },
    { issuer: honest },
    { issuer: root, validFrom: lastYear, validTo: yesterday },
    { issuer: root, validFrom: tomorrow, validTo: nextYear },
    { issuer: root, keyUsages: ['serverAuth'] },
  ];
  return {
    root: root.certificate.toString(),
    honest: pem(honest),
    mallory: pem(await issue('mallory', { issuer: root })),
    wrong: await Promise.all(wrong.map(async (options) => pem(await issue('honest', options)))),
  };
}

function pem({ privateKey, certificate }: Issuer): PemIdentity {
  return { key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), cert: certificate.toString() };
}

const DAY_MS = 86_400_000;
