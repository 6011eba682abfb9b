/** The options of a serial port, and why one cannot be opened. */
import assert from 'node:assert/strict';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isHawserError, isMessagingError, type ErrorCode } from '../../src/index.js';
import { openError } from '../../transports/serial/port-errors.js';
import { checkPortOptions, type SerialPortOptions } from '../../transports/serial/port-options.js';
import { Port } from '../../transports/serial/port.js';
import { startChild } from '../support/child-process.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { pathsOf, PortUser, serialLine, withoutSerialLine } from './port-user.js';

const usual = { timeout: 120_000, skip: withoutSerialLine };
/** The user of that name, who owns nothing. */
const NOBODY = 65_534;

describe('the options of a port', () => {
  test('have the defaults of most devices', () => {
    assert.deepEqual(checkPortOptions('here', { path: '/dev/ttyUSB0', baudRate: 115_200 }), {
      ...{ path: '/dev/ttyUSB0', baudRate: 115_200 },
      ...{ dataBits: 8, parity: 'none', stopBits: 1, rtscts: false },
    });
  });

  const refused: readonly [title: string, options: unknown, code: ErrorCode, message: RegExp][] = [
    ['none at all', undefined, 'ARGUMENT_INVALID', /^here: options are required/],
    ['no path', { baudRate: 9_600 }, 'ARGUMENT_INVALID', /path must be/],
    ['an empty path', { path: '', baudRate: 9_600 }, 'ARGUMENT_INVALID', /path must be/],
    ['a path with a zero', { path: '/dev/tty\0', baudRate: 9_600 }, 'ARGUMENT_INVALID', /path must be/],
    ['a path without end', { path: `/${'x'.repeat(1_000)}`, baudRate: 9_600 }, 'ARGUMENT_INVALID', /longer than 1000/],
    ['no baud rate', { path: '/dev/ttyS0' }, 'ARGUMENT_INVALID', /baudRate must be an integer/],
    ['a baud rate of 0', { path: '/dev/ttyS0', baudRate: 0 }, 'ARGUMENT_INVALID', /from 50 to/],
    ['seven bits', { path: '/dev/ttyS0', baudRate: 9_600, dataBits: 7 }, 'ARGUMENT_INVALID', /dataBits must be 8/],
    ['mark parity', { path: '/dev/ttyS0', baudRate: 9_600, parity: 'mark' }, 'ARGUMENT_INVALID', /parity must be/],
    [
      'one and a half stop bits',
      { path: '/dev/ttyS0', baudRate: 9_600, stopBits: 1.5 },
      'ARGUMENT_INVALID',
      /stopBits/,
    ],
    ['flow control by a number', { path: '/dev/ttyS0', baudRate: 9_600, rtscts: 1 }, 'ARGUMENT_INVALID', /rtscts/],
    ['an option of others', { path: '/dev/ttyS0', baudRate: 9_600, xon: true }, 'OPTION_UNKNOWN', /"xon"/],
  ];
  for (const [title, options, code, message] of refused) {
    test(`cannot be ${title}`, () => {
      assert.throws(
        () => checkPortOptions('here', options as SerialPortOptions),
        (error) => isHawserError(error) && error.code === code && message.test(error.message),
      );
    });
  }
});

describe('a port that cannot be opened', () => {
  async function refusal(path: string): Promise<{ code: string; recoverable: boolean }> {
    const { port } = new PortUser(path);
    const error: unknown = await port.open().then(
      () => assert.fail('it was opened'),
      (reason: unknown) => reason,
    );
    await port.close();
    assert.ok(isMessagingError(error), String(error));
    assert.ok(error.message.startsWith(`${path}: `), error.message);
    return { code: error.code, recoverable: error.recoverable };
  }
  const notFound = { code: 'SERIAL_PORT_NOT_FOUND', recoverable: true };
  const unsuitable = { code: 'SERIAL_PORT_UNSUITABLE', recoverable: false };

  test('is not there, or its adapter is unplugged', async (context) => {
    const folder = await temporaryDirectory(context);
    await symlink('/dev/pts/999999', join(folder, 'dangling'));
    assert.deepEqual(await refusal(join(folder, 'nothing')), notFound);
    assert.deepEqual(await refusal(join(folder, 'dangling')), notFound);
  });

  test('is a file, a folder or a device of another kind', async (context) => {
    const folder = await temporaryDirectory(context);
    await writeFile(join(folder, 'file'), 'not a port');
    for (const path of [join(folder, 'file'), folder, '/dev/null']) assert.deepEqual(await refusal(path), unsuitable);
  });

  test('is another program’s', usual, async (context) => {
    const line = await serialLine(context);
    const [path] = pathsOf(line);
    const first = await PortUser.open(context, path);
    assert.deepEqual(await refusal(path), { code: 'SERIAL_PORT_BUSY', recoverable: true });
    line.noise(0, Buffer.from('still mine'));
    assert.equal((await first.until(10)).toString(), 'still mine');
    await first.close();
    await (await PortUser.open(context, path)).close();
  });

  test('is not for this user', usual, async (context) => {
    const line = await serialLine(context);
    const [path] = pathsOf(line);
    await (await PortUser.open(context, path)).close(); // the library is loaded by one who may read it
    await chmod(path, 0);
    const isRoot = process.geteuid?.() === 0; // who may do everything, so it has to be somebody else for a moment
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      assert.deepEqual(await refusal(path), { code: 'SERIAL_PORT_DENIED', recoverable: false });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  test('is told by the words of the C library where nothing else tells', async () => {
    const words: readonly [said: string, code: ErrorCode, recoverable: boolean][] = [
      ['Error: Permission denied, cannot open /dev/null', 'SERIAL_PORT_DENIED', false],
      ['Error: Operation not permitted, cannot open /dev/null', 'SERIAL_PORT_DENIED', false],
      ['Error: Device or resource busy, cannot open /dev/null', 'SERIAL_PORT_BUSY', true],
      ['Error: Resource busy, cannot open /dev/null', 'SERIAL_PORT_BUSY', true],
      ['Error Resource temporarily unavailable Cannot lock port', 'SERIAL_PORT_BUSY', true],
      ['Error: No such device or address, cannot open /dev/null', 'SERIAL_PORT_NOT_FOUND', true],
      ['Error: Input/output error setting custom baud rate of 9600', 'SERIAL_PORT_NOT_FOUND', true],
      ['Error: I/O error setting custom baud rate of 9600', 'SERIAL_PORT_NOT_FOUND', true],
      ['Error: Too many open files, cannot open /dev/null', 'CONNECTION_INTERRUPTED', true],
      ['Error: Invalid argument || while setting custom baud rate of 5000000', 'SERIAL_PORT_UNSUITABLE', false],
      ['Error: Inappropriate ioctl for device setting custom baud rate of 9600', 'SERIAL_PORT_UNSUITABLE', false],
    ];
    for (const [said, code, recoverable] of words) {
      const cause = new Error(said);
      const error = await openError(cause, '/dev/null');
      assert.deepEqual({ code: error.code, recoverable: error.recoverable }, { code, recoverable }, said);
      assert.equal(error.cause, cause);
    }
  });

  test('lacks its packages', usual, async (context) => {
    const hook = new URL('without-serialport.mjs', import.meta.url).href;
    const child = startChild(context, '../serial/port-process.ts', ['/dev/null'], ['--import', hook]);
    const said = await child.line();
    assert.match(
      said ?? child.errors(),
      /^DEPENDENCY_MISSING: .*npm install @serialport\/stream @serialport\/bindings-cpp$/,
    );
  });
});

test('a port refuses wrong options when it is made', () => {
  const events = { onData: () => undefined, onLost: () => undefined };
  assert.throws(() => new Port({ path: '/dev/ttyS0', baudRate: 1.5 }, events), /^HawserError: Port: baudRate/);
});
