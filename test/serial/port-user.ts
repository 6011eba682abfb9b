/** A program at a serial port, as the tests of this folder need it. */
import type { TestContext } from 'node:test';
import { deferred, type Deferred, type MessagingError } from '../../src/index.js';
import {
  openSerialLine,
  serialLineProblem,
  type SerialLine,
  type SerialLineOptions,
} from '../conformance/serial-line/index.js';
import { Port } from '../../transports/serial/port.js';
import type { SerialPortOptions } from '../../transports/serial/port-options.js';
import { cleanup } from '../support/cleanup.js';

/** For the options of a test: false, or why it is skipped. */
export const withoutSerialLine = serialLineProblem() ?? false;

export async function serialLine(context: TestContext, options: SerialLineOptions = {}): Promise<SerialLine> {
  const line = await openSerialLine(options);
  cleanup(context, () => line.close());
  return line;
}

/** The paths of a line's ends. */
export function pathsOf(line: SerialLine): [string, string, ...string[]] {
  return line.ends.map(({ path }) => path) as [string, string, ...string[]];
}

export class PortUser {
  readonly port: Port;
  #chunks: Uint8Array[] = [];
  #length = 0;
  readonly #lost = deferred<MessagingError>();
  /** How often the port said that it was lost. */
  losses = 0;
  #waiting: { readonly length: number; readonly arrived: Deferred<Buffer> } | undefined;
  #writable: Deferred<void> | undefined;
  #isOver = false;

  constructor(path: string, options: Partial<SerialPortOptions> = {}) {
    const onData = (bytes: Uint8Array): void => {
      this.#chunks.push(bytes);
      this.#length += bytes.length;
      const waiting = this.#waiting;
      if (waiting === undefined || this.#length < waiting.length) return;
      this.#waiting = undefined;
      waiting.arrived.resolve(this.received);
    };
    this.port = new Port(
      { path, baudRate: 115_200, ...options },
      {
        onData,
        onWritable: () => this.#writable?.resolve(),
        onLost: (error) => {
          this.losses++;
          this.#isOver = true;
          this.#lost.resolve(error);
          this.#writable?.resolve();
        },
      },
    );
  }

  /** Opens the port, and closes it when the test ends. */
  static async open(context: TestContext, path: string, options: Partial<SerialPortOptions> = {}): Promise<PortUser> {
    const user = new PortUser(path, options);
    cleanup(context, () => user.close());
    await user.port.open();
    return user;
  }

  /** Everything that arrived. */
  get received(): Buffer {
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  /** Resolves when the port says that it is lost. */
  get lost(): Promise<MessagingError> {
    return this.#lost.promise;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#writable?.resolve();
    await this.port.close();
  }

  /** Resolves with everything that arrived as soon as that is `length` bytes. */
  until(length: number): Promise<Buffer> {
    if (this.#length >= length) return Promise.resolve(this.received);
    this.#waiting = { length, arrived: deferred() };
    return this.#waiting.arrived.promise;
  }

  /** Writes piece by piece, each when the port wants it; resolves when it wants more, or is over. */
  async write(bytes: Uint8Array, pieceLength = 1_000): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isOver; at += pieceLength) {
      this.port.write(bytes.slice(at, at + pieceLength));
      if (this.port.writable) continue;
      this.#writable = deferred();
      await this.#writable.promise;
    }
  }
}
