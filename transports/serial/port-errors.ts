/** What goes wrong with a serial port, as errors of the engine. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { MessagingError, type ErrorCode } from '../../src/index.js';

/**
 * Why a port could not be opened. The library says it in the words of the C library alone, so we look at the device
 * ourselves, and read its words only for what cannot be seen from outside.
 */
export async function openError(cause: unknown, path: string): Promise<MessagingError> {
  if (cause instanceof MessagingError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  const failure = (code: ErrorCode, text: string, recoverable: boolean): MessagingError =>
    new MessagingError(code, `${path}: ${text}`, { recoverable, cause });
  const hidden = codeOf(await attempt(() => access(path)));
  if (hidden === 'EACCES') return failure('SERIAL_PORT_DENIED', 'this user may not look into its folder', false);
  if (hidden !== undefined) return failure('SERIAL_PORT_NOT_FOUND', 'there is no such device', true);
  const device = await attempt(() => stat(path));
  if (!(device instanceof Error) && !device.isCharacterDevice()) {
    return failure('SERIAL_PORT_UNSUITABLE', 'this is no device', false);
  }
  const forbidden = codeOf(await attempt(() => access(path, constants.R_OK | constants.W_OK)));
  if (forbidden === 'EACCES' || DENIED.test(said)) {
    return failure('SERIAL_PORT_DENIED', 'this user may not read and write it', false);
  }
  if (BUSY.test(said)) return failure('SERIAL_PORT_BUSY', 'another program has it open', true);
  if (ABSENT.test(said)) return failure('SERIAL_PORT_NOT_FOUND', 'there is nothing behind this device', true);
  if (PASSING.test(said)) return failure('CONNECTION_INTERRUPTED', said, true);
  return failure('SERIAL_PORT_UNSUITABLE', `this is no serial port, or it cannot be set so: ${said}`, false);
}

/** It was open and is not any more. */
export function portLostError(path: string, cause: unknown): MessagingError {
  const detail = cause instanceof Error ? ` (${cause.message})` : '';
  const message = `${path}: the port was unplugged or failed${detail}`;
  return new MessagingError('SERIAL_PORT_LOST', message, { recoverable: true, cause });
}

/** The port was set to another rate than it was told. */
export function baudRateError(path: string, baudRate: number, actual: number): MessagingError {
  const message = `${path}: it cannot do ${baudRate} baud, the nearest is ${actual}`;
  return new MessagingError('SERIAL_PORT_UNSUITABLE', message, { recoverable: false });
}

/** In the words of glibc or of musl. */
const DENIED = /permission denied|operation not permitted/i;
const BUSY = /cannot lock|busy/i;
const ABSENT = /no such device|input\/output error|i\/o error|no such file/i;
const PASSING = /too many open files|cannot allocate|out of memory/i;

async function attempt<T>(work: () => Promise<T>): Promise<T | Error> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function codeOf(result: unknown): unknown {
  return result instanceof Error && 'code' in result ? result.code : undefined;
}
