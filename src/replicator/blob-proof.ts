/** What shows that somebody has a content, without the content (specification 3.12). */
import { createHash } from 'node:crypto';
import { digestOf } from '../storage/index.js';
import type { MessageChannel } from './message-channel.js';

/**
 * The hash of the nonce, after its length, and the content. Rejects with what the content fails with.
 *
 * @param nonce 1 to 255 bytes
 * @param channel after whose end nobody wants to know: the rest of the content is not read then
 */
export async function proofOf(
  nonce: Uint8Array,
  content: AsyncIterable<Uint8Array>,
  channel: Pick<MessageChannel, 'isEnded'>,
): Promise<string> {
  const hash = createHash('sha1').update(Uint8Array.of(nonce.length)).update(nonce);
  for await (const piece of content) {
    if (channel.isEnded) break;
    hash.update(piece);
  }
  return digestOf(hash.digest());
}
