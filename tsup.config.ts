/**
 * The package as shipped: ES modules and CommonJS, with types for both, one file per subpath and shared chunks between
 * them, so that a class is the same class whichever subpath it is reached through.
 */
import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    websocket: 'transports/websocket/index.ts',
    mqtt: 'transports/mqtt/index.ts',
    serial: 'transports/serial/index.ts',
    testing: 'test/conformance/index.ts',
  },
  format: ['esm', 'cjs'],
  target: 'node20.17',
  platform: 'node',
  // Optional dependencies too are loaded from where the user has them.
  skipNodeModulesBundle: true,
  splitting: true,
  // Rollup makes the CommonJS chunks: it keeps `import()` lazy and gives `import.meta.url` its meaning. The default would
  // rewrite every `?.` and `??` into calls of helpers.
  treeshake: true,
  // `node:sqlite` and `node:test` do not exist without their prefix.
  removeNodeProtocol: false,
  dts: true,
  clean: true,
  // A third of the text is white space and comments, which every start would read and scan. Names and lines stay, for stack traces.
  esbuildOptions(options) {
    options.minifyWhitespace = true;
    options.lineLimit = 160;
  },
});
