/**
 * Loaded first by a Node that is older than the one hawser asks for: gives it the three functions that hawser calls
 * and it has not, `hash` of node:crypto (Node 20.12), `crc32` of node:zlib (20.15) and `process.getBuiltinModule` (20.16). The
 * names that ES modules can import of a built-in module are counted once; the internals, which `--expose-internals` opens, let
 * them be counted again.
 */
const { loadBuiltinModule } = require('internal/modules/helpers');

const { Buffer } = require('node:buffer');
const { createHash } = require('node:crypto');
const { isBuiltin } = require('node:module');
const process = require('node:process');

add('crypto', 'hash', (algorithm, data, encoding = 'hex') => createHash(algorithm).update(data).digest(encoding));
add('zlib', 'crc32', (data, value = 0) => {
  let rest = ~value;
  for (const byte of Buffer.from(data)) rest = TABLE[(rest ^ byte) & 0xff] ^ (rest >>> 8);
  return ~rest >>> 0;
});

process.getBuiltinModule ??= (id) => (isBuiltin(id) ? require(id) : undefined);

function add(name, member, implementation) {
  const builtin = loadBuiltinModule(name, name);
  builtin.exports[member] ??= implementation;
  builtin.exportKeys = undefined;
  builtin.module = undefined;
  builtin.compileForPublicLoader();
}

const TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let rest = index;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});
