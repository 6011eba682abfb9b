export * from './builtins.js';
export * from './bytes.js';
export * from './clock.js';
export * from './deferred.js';
export * from './emitter.js';
export * from './fingerprint.js';
export * from './hidden.js';
export * from './logger.js';
export * from './options.js';
export * from './packages.js';
export * from './random.js';
export * from './varint.js';
export * from './json-canonical.js';
export * from './json-check.js';
export * from './json-parse.js';
export * from './json-text-tree.js';
export * from './json-value.js';
export * from './json-write.js';
export {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  isNumberStart,
  JsonCursor,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from './json-cursor.js';
export { canonicalNumber } from './json-number.js';
