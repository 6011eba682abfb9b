/** A broker that says what a test tells it to, in hex, and remembers what it was sent: for what no real one does when asked. */
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { startTcpServer } from './raw-servers.js';

export class ScriptedBroker {
  readonly url: string;
  /** What came, as hex, one entry for each connection. */
  readonly received: string[] = [];
  readonly #sockets: Socket[];
  readonly #waiting: Set<() => void>;

  private constructor(port: number, received: string[], sockets: Socket[], waiting: Set<() => void>) {
    this.url = `mqtt://127.0.0.1:${port}`;
    this.received = received;
    this.#sockets = sockets;
    this.#waiting = waiting;
  }

  /** @param greeting the answer to a CONNECT; nothing if it is empty */
  static async start(context: TestContext, greeting: string): Promise<ScriptedBroker> {
    const received: string[] = [];
    const sockets: Socket[] = [];
    const waiting = new Set<() => void>();
    const port = await startTcpServer(context, (socket) => {
      const index = sockets.push(socket) - 1;
      received.push('');
      for (const wake of waiting) wake();
      socket.on('data', (chunk: Buffer) => {
        if (received[index] === '' && greeting !== '') socket.write(bytes(greeting));
        received[index] += chunk.toString('hex');
        for (const wake of waiting) wake();
      });
      socket.on('end', () => socket.end());
    });
    return new ScriptedBroker(port, received, sockets, waiting);
  }

  /** To the client that connected last. */
  say(hex: string): void {
    this.#sockets.at(-1)?.write(bytes(hex));
  }

  /** From now on it reads nothing. */
  pause(): void {
    this.#sockets.at(-1)?.pause();
  }

  resume(): void {
    this.#sockets.at(-1)?.resume();
  }

  hangUp(): void {
    this.#sockets.at(-1)?.end();
  }

  /** Resolves when the client that connected last has sent this. */
  heard(hex: string): Promise<void> {
    return this.#until(() => this.received.at(-1)?.includes(hex.replaceAll(' ', '')) === true);
  }

  /** Resolves when so many have connected, and the last has sent something. */
  connections(count: number): Promise<void> {
    return this.#until(() => this.received.length >= count && this.received[count - 1] !== '');
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      const more = deferred();
      const wake = (): void => more.resolve();
      this.#waiting.add(wake);
      await more.promise;
      this.#waiting.delete(wake);
    }
  }
}

/** CONNACKs without properties, in the forms of both versions. */
export const CONNACK_5 = '20 03 00 00 00';
export const CONNACK_311 = '20 02 00 00';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}
