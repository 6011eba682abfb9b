/**
 * JSON text as a tree in which numbers are still text, so that what is printed again has the very same numbers. For bodies
 * of peers that have to be changed in one place; whoever only looks uses {@link parseJson}.
 */
import { JsonCursor } from './json-cursor.js';
import { stringText } from './json-string.js';
import { readTree, type TreeMaker } from './json-tree.js';

export type JsonTree =
  | { readonly type: 'string'; readonly value: string }
  /** `text` as it was written. */
  | { readonly type: 'number'; readonly text: string }
  | { readonly type: 'word'; readonly text: string }
  | { readonly type: 'array'; readonly items: readonly JsonTree[] }
  /** In the order of the text; of repeated keys the last one counts. */
  | { readonly type: 'object'; readonly members: ReadonlyMap<string, JsonTree> };

/** @throws HawserError `DOCUMENT_BODY_INVALID`, also for halves of surrogate pairs, which could not be printed */
export function readJsonTree(text: string): JsonTree {
  return readTree(new JsonCursor(text, true), NODES);
}

/** The text of a tree, without white space. Recursive: for trees no deeper than documents are. */
export function jsonTreeText(node: JsonTree): string {
  switch (node.type) {
    case 'string':
      return quoted(node.value);
    case 'number':
    case 'word':
      return node.text;
    case 'array':
      return `[${node.items.map(jsonTreeText).join(',')}]`;
    case 'object':
      return `{${[...node.members].map(([key, value]) => `${quoted(key)}:${jsonTreeText(value)}`).join(',')}}`;
  }
}

const NODES: TreeMaker<JsonTree> = {
  string: (value) => ({ type: 'string', value }),
  number: (text) => ({ type: 'number', text }),
  word: (text) => ({ type: 'word', text }),
  array: (items) => ({ type: 'array', items }),
  object: (keys, values) => ({
    type: 'object',
    members: new Map(keys.map((key, index) => [key, values[index] as JsonTree])),
  }),
};

/** Every string of a tree has a text: the reader refuses halves of pairs, and no caller makes any. */
function quoted(value: string): string {
  return stringText(value) ?? '""';
}
