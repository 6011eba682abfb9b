/** Opens the port of its argument, writes, closes it, and says what happened. Ends by itself if nothing is left open. */
import { Port } from '../../transports/serial/port.js';

const port = new Port(
  { path: process.argv[2] ?? '', baudRate: 115_200 },
  { onData: () => undefined, onLost: (error) => console.log(error.code) },
);
try {
  await port.open();
  port.write(Buffer.from('hello'));
  await port.drained();
  await port.close();
  console.log('closed');
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? `${String(error.code)}: ${error.message}` : String(error));
}
