/**
 * The package as shipped: ES modules and CommonJS, with types for both, one file per subpath and shared chunks between
 * them, so that a class is the same class whichever subpath it is reached through; and the command, which uses the package by
 * its public names as anybody does. scripts/build.mjs empties dist/ before, for the two are built at the same time.
 */
import { defineConfig, type Options } from 'tsup';

/** What both are built with. */
const common: Options = {
  target: 'node20.17',
  platform: 'node',
  // Optional dependencies too are loaded from where the user has them.
  skipNodeModulesBundle: true,
  splitting: true,
  // `node:sqlite` and `node:test` do not exist without their prefix.
  removeNodeProtocol: false,
  // A third of the text is white space and comments, which every start would read and scan. Names and lines stay, for stack traces.
  esbuildOptions(options) {
    options.minifyWhitespace = true;
    options.lineLimit = 160;
  },
};

export default defineConfig([
  {
    ...common,
    entry: {
      index: 'src/index.ts',
      websocket: 'transports/websocket/index.ts',
      mqtt: 'transports/mqtt/index.ts',
      serial: 'transports/serial/index.ts',
      testing: 'test/conformance/index.ts',
    },
    format: ['esm', 'cjs'],
    // Rollup makes the CommonJS chunks: it keeps `import()` lazy and gives `import.meta.url` its meaning. The default would
    // rewrite every `?.` and `??` into calls of helpers.
    treeshake: true,
    dts: true,
  },
  {
    ...common,
    entry: { cli: 'cli/hawser.ts' },
    format: ['esm'],
    // The clock of a device cannot be before this day.
    define: { BUILT_AT: String(startOfDay(process.env['SOURCE_DATE_EPOCH'])) },
  },
]);

/** Of the day of the build, in milliseconds since the epoch. */
function startOfDay(epochSeconds: string | undefined): number {
  const now = epochSeconds === undefined ? Date.now() : Number(epochSeconds) * 1_000;
  return now - (now % 86_400_000);
}
