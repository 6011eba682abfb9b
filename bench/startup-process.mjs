/**
 * A process that begins as an application would. Told `import`, it imports hawser and says how long that took and what it
 * weighs; told `list`, which scripts were loaded for it; otherwise it does nothing. Then it ends.
 */
import { performance } from 'node:perf_hooks';

switch (process.argv[2]) {
  case 'import': {
    const start = performance.now();
    await import('hawser');
    process.send({ milliseconds: performance.now() - start, rssMiB: process.memoryUsage.rss() / 2 ** 20 });
    break;
  }
  case 'list':
    process.send({ scripts: await scriptsOf(() => import('hawser')) });
    break;
  default:
    process.send({ milliseconds: 0, rssMiB: process.memoryUsage.rss() / 2 ** 20 });
}
process.disconnect();

/** The URLs of everything the engine compiles during `work`, ES modules and CommonJS alike, however it is loaded. */
async function scriptsOf(work) {
  const { Session } = await import('node:inspector');
  const session = new Session();
  session.connect();
  const scripts = [];
  session.on('Debugger.scriptParsed', ({ params }) => scripts.push(params.url));
  session.post('Debugger.enable');
  scripts.length = 0; // what was there before is told first
  await work();
  session.disconnect();
  return scripts;
}
