/** The tie between a process of the example and main.ts. On a device of its own there is nobody to tell: Ctrl-C ends it. */
import { createHash } from 'node:crypto';

export type Report =
  | { readonly type: 'listening'; readonly fingerprint: string }
  | { readonly type: 'stored'; readonly stored: number }
  | {
      readonly type: 'saved';
      /** Sentences that could be read. */
      readonly heard: number;
      /** Documents. */
      readonly saved: number;
      readonly roundTripMs: number | undefined;
      readonly retransmissions: number;
    }
  | { readonly type: 'link'; readonly activity: string; readonly reason: string | undefined }
  | { readonly type: 'digests'; readonly digests: readonly string[] };

const stop = new AbortController();

/** Fires when this process is to end. */
export const stopping: AbortSignal = stop.signal;

/** Resolves then, also for who asks when it has fired. */
export const stopped: Promise<void> = new Promise((resolve) => {
  stopping.addEventListener('abort', () => resolve());
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
process.once('disconnect', () => stop.abort());
process.on('message', (order) => {
  if (order === 'stop') stop.abort();
});

export function report(message: Report): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined); // it may be gone already
}

/** Answers who wants to compare. */
export function onDigestOrder(work: () => Promise<string[]>): void {
  process.on('message', (order) => {
    if (order === 'digests') void work().then((digests) => report({ type: 'digests', digests }));
  });
}

/** ID, revision and the digest of the body of every document. */
export async function digests(collection: {
  documents(): AsyncIterable<{ readonly id: string; readonly revisionID: string; toJSONText(): string }>;
}): Promise<string[]> {
  const lines: string[] = [];
  for await (const document of collection.documents()) {
    const body = createHash('sha256').update(document.toJSONText()).digest('hex');
    lines.push(`${document.id} ${document.revisionID} ${body}`);
  }
  return lines.sort();
}

/** A setting from the environment, which unlike the command line is not for everybody to see. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== '') return value;
  console.error(`${name} is not set in the environment`);
  return process.exit(2);
}
