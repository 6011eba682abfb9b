/** Opens a line, tells the path of its first end, and waits for its end: that of its input, or a kill. Run by tests. */
import { once } from 'node:events';
import { openSerialLine, type SerialLineOptions } from '../conformance/serial-line/index.js';

const options = JSON.parse(process.argv[2] ?? '{}') as SerialLineOptions;
try {
  const line = await openSerialLine(options);
  console.log(line.ends[0]?.path);
  process.stdin.resume();
  await once(process.stdin, 'end');
  await line.close();
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? `${String(error.code)}: ${error.message}` : String(error));
}
