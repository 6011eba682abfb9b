/** The serial ports of this machine: which there are, and whether this user may open them now. None is opened. */
import { accessSync, constants, readdirSync, readlinkSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { ok, warning, type Finding } from './finding.js';
import { readText } from './text-file.js';

export interface SerialFacts {
  readonly path: string;
  /** The group of the device, by name or number. */
  readonly group: string;
  readonly isAllowed: boolean;
  /** A program that has it open, as far as this user may see. */
  readonly program: string | undefined;
  /** Whether the kernel writes its messages there. */
  readonly isConsole: boolean;
}

export function checkSerialDevices(): Finding[] {
  const paths = serialPaths();
  if (paths.length === 0)
    return [ok('serial', 'There is no serial port. An adapter on USB would be /dev/ttyUSB0 or /dev/ttyACM0.')];
  const holders = openDevices(new Set(paths));
  const consoles = kernelConsoles();
  return paths.map((path) => {
    const program = holders.get(path);
    return judgeSerialDevice({
      path,
      group: groupOf(path),
      isAllowed: mayUse(path),
      program,
      isConsole: consoles.includes(path),
    });
  });
}

export function judgeSerialDevice({ path, group, isAllowed, program, isConsole }: SerialFacts): Finding {
  const concerns = [
    ...(isAllowed ? [] : [[`The user ${userName()} may not open it.`, permissionRemedy(group)]]),
    ...(program === undefined ? [] : [[`${program} has it open.`, 'End that program before you use the port.']]),
    ...(isConsole
      ? [
          [
            'The kernel writes its messages there.',
            'To use it for a device, take console= out of the command line of the kernel.',
          ],
        ]
      : []),
  ];
  const found = [`${path}, of the group ${group}.`, ...concerns.map(([what]) => what)].join(' ');
  if (concerns.length === 0) return ok('serial', `${found} ${WIRES}`);
  return warning('serial', found, concerns.map(([, remedy]) => remedy).join(' '));
}

export function permissionRemedy(group: string): string {
  const whose = group === 'root' ? 'Give it to a group with a rule of udev, as GROUP="dialout"; then:' : '';
  const name = group === 'root' ? 'dialout' : group;
  return `${whose} sudo usermod -aG ${name} ${userName()}, and log in again.`.trim();
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? '?');
  }
}

export function mayUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The name, or the number where it has none here. */
export function groupOf(path: string): string {
  const { gid } = statSync(path);
  const line = readText('/etc/group')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}

/** Of the ports that the kernel lists, those with hardware behind them. */
function serialPaths(): string[] {
  return (
    list('/sys/class/tty')
      .filter((name) => /^tty[A-Za-z]/.test(name) && !/^tty(S|ty)?$/.test(name))
      .filter((name) => list(`/sys/class/tty/${name}/device`).length > 0)
      // Places for UARTs that are not there.
      .filter((name) => readText(`/sys/class/tty/${name}/type`).trim() !== '0')
      .map((name) => `/dev/${name}`)
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() === true)
      .sort()
  );
}

function kernelConsoles(): string[] {
  return readText('/proc/consoles')
    .split('\n')
    .map((line) => `/dev/${line.split(/\s/)[0] ?? ''}`);
}

/** Which program has which of the devices open; of other users' only for root. */
function openDevices(paths: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const process of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of list(`/proc/${process}/fd`)) {
      const path = linkOf(join('/proc', process, 'fd', descriptor));
      if (paths.has(path)) found.set(path, `${readText(`/proc/${process}/comm`).trim()} (process ${process})`);
    }
  }
  return found;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const WIRES = 'Leave rtscts off unless RTS and CTS are wired.';
