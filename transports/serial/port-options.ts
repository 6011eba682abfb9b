/** How a serial port is set. */
import { checkInteger, checkOptions, HawserError } from '../../src/index.js';

export interface SerialPortOptions {
  /** The device. One under `/dev/serial/by-id/` stays the same when adapters are plugged in another order. */
  readonly path: string;
  /** In bits per second: the same at both ends. */
  readonly baudRate: number;
  /** Frames need all eight. @default 8 */
  readonly dataBits?: 8;
  /** Bytes of the wrong parity are lost. Frames have a better check of their own. @default 'none' */
  readonly parity?: 'none' | 'even' | 'odd';
  /** @default 1 */
  readonly stopBits?: 1 | 2;
  /** Hardware flow control. Needs the wires RTS and CTS: without them nothing is ever sent. @default false */
  readonly rtscts?: boolean;
}

/** The names, for the options of whatever has a port among other things. */
export const PORT_OPTIONS: readonly string[] = ['path', 'baudRate', 'dataBits', 'parity', 'stopBits', 'rtscts'];

/** The options of a port, complete. Throws `ARGUMENT_INVALID`, and `OPTION_UNKNOWN` for options not of a port. */
export function checkPortOptions(where: string, options: SerialPortOptions): Required<SerialPortOptions> {
  if (options === undefined) throw new HawserError('ARGUMENT_INVALID', `${where}: options are required`);
  checkOptions(where, options, PORT_OPTIONS);
  const { path, baudRate, dataBits = 8, parity = 'none', stopBits = 1, rtscts = false } = options;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new HawserError('ARGUMENT_INVALID', `${where}: ${what}`);
  };
  const isPath = typeof path === 'string' && path !== '' && !path.includes('\0');
  check(isPath, 'path must be the path of a device, as /dev/ttyUSB0');
  check(Buffer.byteLength(path) <= MAX_PATH_LENGTH, `path must not be longer than ${MAX_PATH_LENGTH} bytes`);
  checkInteger(`${where}: baudRate`, baudRate, 50, MAX_BAUD_RATE);
  check(dataBits === 8, 'dataBits must be 8: what is sent uses every value of a byte');
  check(['none', 'even', 'odd'].includes(parity), "parity must be 'none', 'even' or 'odd'");
  check(stopBits === 1 || stopBits === 2, 'stopBits must be 1 or 2');
  check(typeof rtscts === 'boolean', 'rtscts must be true or false');
  return { path, baudRate, dataBits, parity, stopBits, rtscts };
}

/** The library cuts longer ones off. */
const MAX_PATH_LENGTH = 1_000;
/** What the fastest USB adapters can do. */
const MAX_BAUD_RATE = 12_000_000;
