/** How a message names its collection: by index, or not at all in legacy mode (specification 3.2). Pure. */
import type { MessageProperties } from '../blip/index.js';

/** The index of a collection on this connection; undefined in legacy mode. */
export type CollectionIndex = number | undefined;

export function collectionProperty(index: CollectionIndex): Record<string, string> {
  return index === undefined ? {} : { collection: String(index) };
}

/** The `collection` property of a message: undefined if absent, NaN if it is no index. */
export function readCollectionIndex(properties: MessageProperties): number | undefined {
  const text = properties.text('collection');
  if (text === undefined) return undefined;
  return /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
}
