/**
 * The programs that can hold a pseudo-terminal, since Node cannot make one. A relay makes it, leaves a symbolic link to its
 * device, connects to a Unix socket and carries bytes between the two until that socket ends: so it dies with its parent,
 * however that dies. Both hold as few bytes as they can, for what waits in a relay is no wire but a buffer without end.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * - `python3` notices whether a program has the port open: what is sent to a closed port is lost, as on a wire.
 * - `socat` cannot: what is sent to a closed port waits (up to 200 KB) for the next program that opens it.
 */
export type Relay = 'python3' | 'socat';

export interface RelayCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Whether the device must be kept open by somebody, or the relay ends when a program closes it. */
  readonly endsWithLastUser: boolean;
}

/** Both paths are relative to the folder that it is started in. */
export function relayCommand(relay: Relay, link: string, socket: string): RelayCommand {
  return relay === 'python3'
    ? { command: python(), args: ['-I', '-S', '-c', PYTHON, link, socket], endsWithLastUser: false }
    : {
        command: 'socat',
        args: ['-b', '512', '-t', '0.1', `PTY,rawer,link=${link}`, `UNIX-CONNECT:${socket},sndbuf=${SEND_BUFFER}`],
        endsWithLastUser: true,
      };
}

/** Those that work on this machine, the better one first. */
export function availableRelays(): readonly Relay[] {
  return (found ??= RELAYS.filter((relay) => {
    const [command, args] =
      relay === 'python3'
        ? [python(), ['-I', '-S', '-c', 'import os, select, socket, tty; os.openpty()']]
        : [relay, ['-V']];
    return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  }));
}

let found: readonly Relay[] | undefined;
const RELAYS: readonly Relay[] = ['python3', 'socat'];

/** That of the system, if there is one: others may be scripts that look for an interpreter first. */
function python(): string {
  return existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
}

/** In bytes; the kernel makes 4,608 of it, which are about three pieces of 512 bytes. */
const SEND_BUFFER = 2048;

/**
 * The terminal hangs up while nobody has the device open, and says so again and again: then only the socket is waited for,
 * and the terminal is looked at every 5 ms. Before the first opening it would not hang up: so it is opened once here.
 */
const PYTHON = `
import os, select, socket, sys, tty
master, slave = os.openpty()
tty.setraw(slave)
os.symlink(os.ttyname(slave), sys.argv[1])
os.close(slave)
line = socket.socket(socket.AF_UNIX)
line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ${SEND_BUFFER})
line.connect(sys.argv[2])
os.set_blocking(master, False)
line.setblocking(False)
IN, OUT, HUP = select.POLLIN, select.POLLOUT, select.POLLHUP
hang_up = select.poll()
hang_up.register(master, 0)
poll = select.poll()
to_line = to_port = b''
while True:
    poll.register(line, (0 if to_port else IN) | (OUT if to_line else 0))
    poll.register(master, (0 if to_line else IN) | (OUT if to_port else 0))
    ready = dict(poll.poll())
    port = ready.get(master, 0)
    if port & HUP and not port & IN:
        to_port = b''
        poll.unregister(master)
        poll.register(line, IN | (OUT if to_line else 0))
        ready = dict(poll.poll(5))
    events = ready.get(line.fileno(), 0)
    try:
        if events & (IN | HUP):
            data = line.recv(4096)
            if not data:
                break
            to_port = b'' if hang_up.poll(0) else data
        if to_line and events & OUT:
            to_line = to_line[line.send(to_line):]
    except BlockingIOError:
        pass
    except OSError:
        break
    try:
        if to_port:
            to_port = to_port[os.write(master, to_port):]
        if port & IN and not to_line:
            to_line = os.read(master, 1024)
            to_line = to_line[line.send(to_line):]
    except OSError:
        pass
`;
