/** Opens a serial port at a rate, alone, and closes it again. Nothing is sent. */
import { statSync } from 'node:fs';
import { codeOf, ok, problem, said, type Finding } from './finding.js';
import { groupOf, mayUse, permissionRemedy, userName } from './serial-devices.js';

export async function checkSerialPort(path: string, baudRate: number): Promise<Finding> {
  const seen = lookAt(path);
  if (seen !== undefined) return seen;
  let binding: SerialBinding;
  try {
    await import('@serialport/stream');
    binding = ((await import('@serialport/bindings-cpp')) as unknown as { LinuxBinding: SerialBinding }).LinuxBinding;
  } catch (error) {
    const found = `${path} was not opened: the packages of the serial port cannot be loaded (${said(error)}).`;
    return problem('port', found, 'npm install @serialport/stream @serialport/bindings-cpp');
  }
  try {
    const port = await binding.open({ path, baudRate, hupcl: false, lock: true });
    const actual = await port
      .getBaudRate()
      .then((answer) => answer.baudRate)
      .finally(() => port.close());
    if (Math.abs(actual / baudRate - 1) <= MAX_BAUD_RATE_ERROR) {
      return ok('port', `${path} was opened at ${baudRate} baud, and closed.`);
    }
    return problem(
      'port',
      `${path} cannot do ${baudRate} baud; the nearest is ${actual}.`,
      `Use --baud ${actual} at both ends.`,
    );
  } catch (error) {
    return judgeOpening(path, said(error));
  }
}

/** What the words of the library mean: those of the C library, glibc's or musl's. */
export function judgeOpening(path: string, words: string): Finding {
  const failed = (found: string, remedy: string): Finding => problem('port', `${path}: ${found}.`, remedy);
  if (/cannot lock|busy/i.test(words)) {
    return failed(
      'another program has it open',
      `End that one: fuser ${path} tells which; often it is a getty or ModemManager.`,
    );
  }
  if (/permission denied|operation not permitted/i.test(words)) {
    return failed(`the user ${userName()} may not open it`, permissionRemedy(groupOf(path)));
  }
  if (/no such device|input\/output error|i\/o error/i.test(words)) {
    return failed(
      'there is no hardware behind it',
      'Plug the adapter in, enable the UART in the device tree, or choose another.',
    );
  }
  return failed(`it is no serial port, or cannot do this rate (${words})`, 'Choose another port, or another --baud.');
}

/** What can be seen without opening it. */
function lookAt(path: string): Finding | undefined {
  try {
    if (!statSync(path).isCharacterDevice()) {
      return problem('port', `${path} is no device.`, 'Name the path of a serial port, as /dev/ttyUSB0.');
    }
  } catch (error) {
    if (codeOf(error) === 'EACCES')
      return problem('port', `The user ${userName()} may not look for ${path}.`, 'Run as another user.');
    return problem('port', `There is no ${path}.`, 'Plug the adapter in, and see in dmesg what it is called.');
  }
  if (mayUse(path)) return undefined;
  const group = groupOf(path);
  return problem(
    'port',
    `The user ${userName()} may not open ${path}, of the group ${group}.`,
    permissionRemedy(group),
  );
}

/** What is used of the library. Its own types come from a package that cannot be found from an ES module. */
interface SerialBinding {
  open(options: { path: string; baudRate: number; hupcl: boolean; lock: boolean }): Promise<{
    getBaudRate(): Promise<{ readonly baudRate: number }>;
    close(): Promise<void>;
  }>;
}

/** Each end may be off by half of what a byte of ten bits bears. */
const MAX_BAUD_RATE_ERROR = 0.03;
