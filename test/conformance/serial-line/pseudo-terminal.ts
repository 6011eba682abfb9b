/** One pseudo-terminal: a device that programs take for a serial port, and the other end of it as a socket. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { relayCommand, type Relay } from './relays.js';

export interface PseudoTerminal {
  /** What a program writes to the device comes out of it, and the other way round. Paused at first. */
  readonly socket: Socket;
  /** Pulls the plug: the link is removed, then the device hangs up on whoever has it open. Resolves when it is gone. */
  close(): Promise<void>;
}

/** Makes one, with a symbolic link to its device at `name` in `folder`. Rejects, leaving nothing, if its relay fails. */
export async function openPseudoTerminal(folder: string, name: string, relay: Relay): Promise<PseudoTerminal> {
  const path = join(folder, name);
  const { command, args, endsWithLastUser } = relayCommand(relay, name, `${name}.socket`);
  // A small mark, since what the socket reads ahead is one more buffer on the line.
  const server = createServer({ pauseOnConnect: true, highWaterMark: READ_AHEAD });
  server.listen(`${path}.socket`);
  await once(server, 'listening');
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve()).once('close', () => resolve());
  });
  const release = async (): Promise<void> => {
    await rm(path, { force: true });
    child.kill('SIGKILL');
    await ended;
  };
  let socket: Socket | undefined;
  let user: FileHandle | undefined;
  try {
    socket = await connection(server, child, command);
    if (endsWithLastUser) user = await open(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (error) {
    socket?.destroy();
    await release();
    throw error;
  } finally {
    server.close();
  }
  let closed: Promise<void> | undefined;
  return {
    socket,
    close: () =>
      (closed ??= (async () => {
        await release();
        socket.destroy();
        await user?.close();
      })()),
  };
}

const READ_AHEAD = 1024;
const START_TIMEOUT_MS = 15_000;

/** The socket of the relay, once it has made its terminal. */
async function connection(server: Server, child: ChildProcess, command: string): Promise<Socket> {
  const settled = new AbortController();
  const { signal } = settled;
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1_000)));
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  try {
    const failed = once(child, 'close', { signal }).then((): never => {
      throw new Error(`${command} made no pseudo-terminal: ${said.trim() || 'it ended without a word'}`);
    });
    const [socket] = (await Promise.race([once(server, 'connection', { signal }), failed])) as [Socket];
    // A relay that is killed breaks it, and that is told by `close`.
    return socket.on('error', () => undefined);
  } finally {
    clearTimeout(timer);
    settled.abort();
  }
}
