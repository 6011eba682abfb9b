/**
 * The npm packages of the serial port, loaded when the first port is opened and not before, and guarded against three faults
 * of theirs (found in @serialport/bindings-cpp 13, each of them shown by a test):
 * - Who waits for room to write is not told of input any more until there is some, and the other way round, so a line that
 *   is busy in one direction stands still in the other.
 * - A port that is unplugged while it is read is read for ever, at full speed, and nobody is told.
 * - Input that came before the port was opened is not thrown away when the baud rate is not one of the usual ones.
 */
import { readSync } from 'node:fs';
import type { LinuxPortBinding } from '@serialport/bindings-cpp';
import type { SerialPortStream } from '@serialport/stream';
import { loadPackage, MessagingError } from '../../src/index.js';
import { baudRateError } from './port-errors.js';

/** What is used of them. */
export interface SerialLibrary {
  readonly SerialPortStream: typeof SerialPortStream;
  readonly LinuxBinding: SerialBinding;
}

/** Opens ports. Declared here, since the package has it from another one whose types cannot be found from an ES module. */
export interface SerialBinding {
  list(): Promise<unknown>;
  open(options: { readonly path: string; readonly baudRate: number }): Promise<LinuxPortBinding>;
}

/** Rejects with `DEPENDENCY_MISSING`. */
export async function loadSerialLibrary(): Promise<SerialLibrary> {
  try {
    const { SerialPortStream } = await loadPackage('@serialport/stream', () => import('@serialport/stream'));
    const { LinuxBinding } = await loadPackage(
      '@serialport/bindings-cpp',
      () => import('@serialport/bindings-cpp') as Promise<{ readonly LinuxBinding: SerialBinding }>,
    );
    return { SerialPortStream, LinuxBinding };
  } catch (cause) {
    const detail = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause);
    const message = `the packages of the serial port cannot be loaded (${detail}): ${INSTALL}`;
    throw new MessagingError('DEPENDENCY_MISSING', message, { recoverable: false, cause });
  }
}

const INSTALL = 'npm install @serialport/stream @serialport/bindings-cpp';

/** A binding as `binding` that does without the faults. It tells `onOpen` of the port that it opens. */
export function guarded(binding: SerialBinding, onOpen: (port: LinuxPortBinding) => void): SerialBinding {
  return {
    list: () => binding.list(),
    async open(options) {
      const port = await binding.open(options);
      try {
        const { baudRate } = await port.getBaudRate();
        if (Math.abs(baudRate / options.baudRate - 1) > MAX_BAUD_RATE_ERROR) {
          throw baudRateError(options.path, options.baudRate, baudRate);
        }
        discardInput(port);
      } catch (error) {
        await port.close();
        throw error;
      }
      guardPoller(port);
      guardRead(port);
      onOpen(port);
      return port;
    },
  };
}

/** Beyond this two ends do not understand each other: each may be off by half of what a byte of ten bits bears. */
const MAX_BAUD_RATE_ERROR = 0.03;

/** A new interest replaces the ones before: so each is registered together with those that others wait for. */
function guardPoller({ poller }: LinuxPortBinding): void {
  poller.poll = (flags = 0) => {
    const readable = poller.listenerCount('readable') > 0 ? READABLE : 0;
    const writable = poller.listenerCount('writable') > 0 ? WRITABLE : 0;
    poller.poller.poll(flags | readable | writable);
  };
}

const READABLE = 1;
const WRITABLE = 2;

/** Waits for input and takes it. None where there should be some means that the port has hung up. */
function guardRead(port: LinuxPortBinding): void {
  port.read = async (buffer, offset, length) => {
    for (;;) {
      await new Promise<void>((resolve, reject) => {
        if (port.fd === null) reject(Object.assign(new Error('the port is closed'), { canceled: true }));
        else port.poller.once('readable', (error) => (error === null ? resolve() : reject(error)));
      });
      const bytesRead = take(port, buffer, offset, length);
      if (bytesRead === 0) throw new Error('the port hung up');
      if (bytesRead !== undefined) return { buffer, bytesRead };
    }
  };
}

/** What waits in the kernel was meant for whoever had the port before. */
function discardInput(port: LinuxPortBinding): void {
  const buffer = Buffer.allocUnsafe(4096);
  for (let left = MAX_DISCARDED; left > 0;) {
    const bytesRead = take(port, buffer, 0, buffer.length) ?? 0;
    if (bytesRead === 0) return;
    left -= bytesRead;
  }
}

/** More than a kernel holds for a port: whatever comes beyond it is new. */
const MAX_DISCARDED = 131_072;

/** Reads without waiting, for the descriptor does not block; undefined where there is nothing. */
function take({ fd }: LinuxPortBinding, buffer: Buffer, offset: number, length: number): number | undefined {
  if (fd === null) return 0;
  try {
    return readSync(fd, buffer, offset, length, null);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EAGAIN' || code === 'EINTR') return undefined;
    throw error;
  }
}
