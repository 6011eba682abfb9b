/** A line between two ends as a medium of packets: at the end that calls. The port is open for as long as the connection. */
import type { Clock } from '../../src/index.js';
import type { PacketMedium, PacketSink } from '../link/index.js';
import { FrameDecoder } from './framing.js';
import { LineFrames } from './line-frames.js';
import { Port } from './port.js';
import type { SerialPortOptions } from './port-options.js';

export interface LineMediumOptions {
  readonly port: SerialPortOptions;
  readonly maxPacketSize: number;
  /** What the line carries at its baud rate. */
  readonly lineBytesPerSecond: number;
  readonly clock: Clock;
}

export class LineMedium implements PacketMedium {
  readonly #options: LineMediumOptions;
  readonly #incoming: FrameDecoder;
  readonly #outgoing: LineFrames;
  #port: Port | undefined;
  #sink: PacketSink | undefined;

  constructor(options: LineMediumOptions) {
    this.#options = options;
    const { maxPacketSize, lineBytesPerSecond, clock } = options;
    this.#incoming = new FrameDecoder({ maxContent: maxPacketSize });
    this.#outgoing = new LineFrames({ clock, bytesPerSecond: lineBytesPerSecond });
  }

  open(sink: PacketSink): Promise<void> {
    this.#sink = sink;
    this.#port = new Port(this.#options.port, {
      onData: (bytes) => {
        for (const packet of this.#incoming.push(bytes)) this.#sink?.packet(packet);
      },
      onWritable: () => this.#sink?.writable(),
      onLost: (error) => this.#sink?.lost(error),
    });
    return this.#port.open();
  }

  get isWritable(): boolean {
    return this.#port?.writable === true;
  }

  write(packet: Uint8Array): void {
    this.#port?.write(this.#outgoing.encode(packet));
  }

  async close(): Promise<void> {
    this.#sink = undefined;
    if (this.#port !== undefined) await closeDrained(this.#port, this.#options.clock);
  }
}

/** Closes a port when what was written has left, or has had the time to. */
export async function closeDrained(port: Pick<Port, 'drained' | 'close'>, clock: Clock): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = clock.setTimer(DRAIN_TIMEOUT_MS, resolve);
    void port.drained().then(() => {
      timer.cancel();
      resolve();
    });
  });
  await port.close();
}

const DRAIN_TIMEOUT_MS = 500;
