/**
 * The lines that an instrument says on a serial port, for as long as one listens: the port is opened again when its adapter was
 * unplugged. The speed is that of the device: `stty -F /dev/ttyUSB0 4800`.
 */
import { once } from 'node:events';
import { constants, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ReadStream } from 'node:tty';

/** Lines of a port, with how they come: without control characters that the terminal driver would act on. */
export async function* nmeaLines(path: string, signal: AbortSignal): AsyncGenerator<string> {
  while (!signal.aborted) {
    const port = open(path);
    if (port !== undefined) {
      const close = (): void => void port.destroy();
      signal.addEventListener('abort', close, { once: true });
      const lines = createInterface({ input: port.setEncoding('latin1'), crlfDelay: Infinity });
      // A port that is unplugged fails or ends; either way its lines do.
      port.on('error', () => lines.close()).on('close', () => lines.close());
      yield* lines;
      signal.removeEventListener('abort', close);
      port.destroy();
      if (!port.closed) await once(port, 'close');
    }
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** As a terminal in raw mode, which Node reads without blocking anything; undefined while there is none. */
function open(path: string): ReadStream | undefined {
  try {
    const port = new ReadStream(openSync(path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    return port.setRawMode(true);
  } catch {
    return undefined;
  }
}

/** Until an adapter that is not there is looked for again. */
const PAUSE_MS = 500;
