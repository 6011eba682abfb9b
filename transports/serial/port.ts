/**
 * One serial port: bytes in, bytes out, and the moment when it is gone. It knows no frames and no peers. Opened once; after
 * its end a new one is made.
 *
 * Invariant: of a port that was opened there is one end, by `close` or by `onLost`, and no callback comes after it.
 */
import type { LinuxPortBinding } from '@serialport/bindings-cpp';
import type { SerialPortStream } from '@serialport/stream';
import { deferred, notOpenError, type MessagingError } from '../../src/index.js';
import { openError, portLostError } from './port-errors.js';
import { checkPortOptions, type SerialPortOptions } from './port-options.js';
import { guarded, loadSerialLibrary } from './serial-library.js';

export interface PortEvents {
  /** Bytes arrived, cut anyhow. They belong to the callee. */
  readonly onData: (bytes: Uint8Array) => void;
  /** {@link Port.writable} is true again. */
  readonly onWritable?: () => void;
  /** It was unplugged or failed (`SERIAL_PORT_LOST`). The handle is being closed; `close` tells when it is. */
  readonly onLost: (error: MessagingError) => void;
}

export class Port {
  readonly options: Required<SerialPortOptions>;
  readonly #events: PortEvents;
  #status: 'new' | 'opening' | 'open' | 'ended' = 'new';
  /** Settles when the opening has, one way or the other. */
  #opening: Promise<unknown> = Promise.resolve();
  #stream: SerialPortStream | undefined;
  #device: LinuxPortBinding | undefined;
  /** Resolves when the handle is closed. */
  readonly #released = deferred();
  /** Resolves at the end. */
  readonly #ended = deferred();
  /** Something was written of which nobody knows whether it has left. */
  #undrained = false;
  /** Calls of `drained` that wait for the operating system. */
  #draining = 0;
  #closed: Promise<void> | undefined;

  /** Throws for options that are not those of a port, see {@link checkPortOptions}. */
  constructor(options: SerialPortOptions, events: PortEvents) {
    this.options = checkPortOptions('Port', options);
    this.#events = events;
  }

  /**
   * Opens it for this program alone, and throws away what has come in before. Rejects with `SERIAL_PORT_NOT_FOUND`,
   * `SERIAL_PORT_DENIED`, `SERIAL_PORT_BUSY`, `SERIAL_PORT_UNSUITABLE` or `DEPENDENCY_MISSING`, and with `CONNECTION_NOT_OPEN`
   * if it is closed meanwhile.
   */
  open(): Promise<void> {
    if (this.#status !== 'new') return Promise.reject(notOpenError('open: a port can be opened once'));
    this.#status = 'opening';
    const opening = this.#open();
    this.#opening = opening.catch(() => (this.#status = 'ended'));
    return opening;
  }

  /** False while so much waits to be written that more had better wait elsewhere, and when it is not open. */
  get writable(): boolean {
    return this.#status === 'open' && this.#stream?.writableNeedDrain === false;
  }

  /** The bytes belong to the port from now on. Does nothing unless it is open. */
  write(bytes: Uint8Array): void {
    if (this.#status !== 'open' || bytes.length === 0) return;
    this.#undrained = true;
    this.#stream?.write(bytes);
  }

  /**
   * Resolves when everything written so far has left the machine, or when the port has ended. On a line with hardware flow
   * control that may take for ever.
   */
  async drained(): Promise<void> {
    const stream = this.#stream;
    if (this.#status !== 'open' || stream === undefined) return;
    await this.#beforeEnd((done) => stream.write(Buffer.alloc(0), done));
    if (!stream.isOpen) return;
    this.#undrained = false;
    this.#draining++;
    await this.#beforeEnd((done) =>
      stream.drain(() => {
        this.#draining--;
        done();
      }),
    );
  }

  /** Idempotent, in any status; resolves when the handle is closed. What was written and not `drained` may be lost. */
  close(): Promise<void> {
    return (this.#closed ??= (async () => {
      this.#status = 'ended';
      this.#ended.resolve();
      await this.#opening;
      await this.#release();
    })());
  }

  async #open(): Promise<void> {
    const { SerialPortStream, LinuxBinding } = await loadSerialLibrary();
    const binding = guarded(LinuxBinding, (device) => this.#watch(device));
    const stream = new SerialPortStream({
      ...this.options,
      binding,
      lock: true,
      autoOpen: false,
      highWaterMark: MAX_UNWRITTEN_BYTES,
    });
    // For as long as it lives: an error after the end must not end the process.
    stream.on('error', (error) => this.#lose(error));
    try {
      await new Promise<void>((resolve, reject) => {
        stream.open((error) => (error === null ? resolve() : reject(error)));
      });
    } catch (cause) {
      throw await openError(cause, this.options.path);
    }
    this.#stream = stream;
    if (this.#status !== 'opening') {
      await this.#release();
      throw notOpenError('the port was closed while it was being opened');
    }
    this.#status = 'open';
    stream.on('close', (error?: Error | null) => this.#lose(error));
    stream.on('drain', () => {
      if (this.#status === 'open') this.#events.onWritable?.();
    });
    stream.on('data', (bytes: Buffer) => {
      // A plain array of bytes: the methods of a `Buffer` mean other things.
      const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      if (this.#status === 'open') this.#events.onData(plain);
    });
  }

  /** The stream tells of its own end in several ways, and sometimes in none: the handle is what counts. */
  #watch(device: LinuxPortBinding): void {
    this.#device = device;
    const close = device.close.bind(device);
    device.close = async () => {
      try {
        await close();
      } finally {
        this.#released.resolve();
      }
    };
  }

  #lose(cause: unknown): void {
    if (this.#status !== 'open') return;
    this.#status = 'ended';
    this.#ended.resolve();
    void this.#release();
    this.#events.onLost(portLostError(this.options.path, cause));
  }

  async #release(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (stream.isOpen) {
      // The kernel would wait half a minute for bytes that the other end does not want.
      const isStuck = this.#draining > 0 || (this.#undrained && (this.options.rtscts || stream.writableLength > 0));
      if (isStuck) await this.#device?.flush().catch(() => undefined);
      stream.close(() => undefined);
    }
    await this.#released.promise;
  }

  /** Resolves when `work` calls back, with an error or without, or at the end of the port: some never call back then. */
  async #beforeEnd(work: (done: () => void) => void): Promise<void> {
    await Promise.race([new Promise<void>((resolve) => work(resolve)), this.#ended.promise]);
  }
}

/** When this many bytes have not been handed to the operating system yet, more should not come. */
const MAX_UNWRITTEN_BYTES = 4096;
