/** Reads why a server refused, from the body of its answer: the `reason` of a JSON object, or plain text. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../src/index.js';

/** Resolves with the reason, or `undefined` if there is none to be read in a second or two. */
export async function readReason(response: IncomingMessage, clock: Clock): Promise<string | undefined> {
  const timer = clock.setTimer(MAX_WAIT_MS, () => response.destroy());
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_BODY_LENGTH) return undefined;
    }
  } finally {
    timer.cancel();
  }
  return reasonIn(Buffer.concat(chunks).toString('utf8'), response.headers['content-type'] ?? '');
}

function reasonIn(body: string, type: string): string | undefined {
  if (type.startsWith('text/plain')) return body;
  if (!type.includes('json')) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && 'reason' in value && typeof value.reason === 'string') {
      return value.reason;
    }
  } catch {
    // Not JSON after all: the status says enough.
  }
  return undefined;
}

const MAX_WAIT_MS = 2_000;
const MAX_BODY_LENGTH = 8_192;
