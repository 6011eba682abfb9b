/**
 * Parts of Node that take several milliseconds each to load, and that a process may do without: a database alone, or one that
 * syncs over a serial line. The first call loads them.
 */
export const builtins = {
  net: () => process.getBuiltinModule('node:net'),
  tls: () => process.getBuiltinModule('node:tls'),
  zlib: () => process.getBuiltinModule('node:zlib'),
} as const;
