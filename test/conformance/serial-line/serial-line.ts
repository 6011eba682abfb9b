/**
 * A serial line without hardware, for tests, benchmarks and demonstrations: pseudo-terminals that a serial port library opens
 * like real ports, and between them a line with a pace, noise and faults. It knows nothing of what is said on it.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HawserError, systemClock } from '../../../src/index.js';
import type { SerialLineErrors } from './damage.js';
import { openPseudoTerminal, type PseudoTerminal } from './pseudo-terminal.js';
import { availableRelays, type Relay } from './relays.js';
import { checkSerialLineErrors, checkSerialLineOptions, type SerialLineOptions } from './serial-line-options.js';
import { Wire, type WireCounts } from './wire.js';

/** One device on the line. */
export interface SerialLineEnd {
  /** What a program opens. It stays the same when the end is unplugged and plugged in again. */
  readonly path: string;
  readonly isPluggedIn: boolean;
  /** Bytes that it put on the line. */
  readonly sentBytes: number;
  /** Bytes that reached it, noise included. */
  readonly receivedBytes: number;
}

export interface SerialLineStatistics extends Readonly<WireCounts> {
  /** Bytes that an end did not take in time: it had no room for them, as a real port that is not read. */
  readonly overrunBytes: number;
}

/** Why there can be no simulated line on this machine, in words; undefined if there can be. */
export function serialLineProblem(): string | undefined {
  if (process.platform !== 'linux' || !existsSync('/dev/ptmx')) return 'there are no pseudo-terminals on this machine';
  if (availableRelays().length > 0) return undefined;
  return 'a simulated serial line needs python3 or socat: install one of these packages';
}

/** Rejects with `DEPENDENCY_MISSING` where {@link serialLineProblem} tells of one, and for what is wrong in the options. */
export async function openSerialLine(options: SerialLineOptions = {}): Promise<SerialLine> {
  const checked = checkSerialLineOptions(options);
  const problem = serialLineProblem();
  const { relay = availableRelays()[0] ?? 'python3' } = options;
  if (problem !== undefined || !availableRelays().includes(relay)) {
    throw new HawserError('DEPENDENCY_MISSING', problem ?? `${relay} is not installed`);
  }
  const line = new SerialLine(await mkdtemp(join(tmpdir(), 'hawser-line-')), relay, checked);
  try {
    await Promise.all(line.ends.map((_, end) => line.replug(end)));
  } catch (error) {
    await line.close();
    throw error;
  }
  return line;
}

/** Made by {@link openSerialLine}. Ends are named by their place in `ends`. */
export class SerialLine {
  readonly ends: readonly SerialLineEnd[];
  readonly #ends: readonly End[];
  readonly #folder: string;
  readonly #relay: Relay;
  readonly #wire: Wire;
  readonly #counts = {
    ...{ bytes: 0, flippedBits: 0, droppedBytes: 0, insertedBytes: 0 },
    ...{ collisions: 0, garbledBytes: 0, mutedBytes: 0, overrunBytes: 0 },
  };
  #closed: Promise<void> | undefined;

  constructor(folder: string, relay: Relay, options: ReturnType<typeof checkSerialLineOptions>) {
    const { ends, baudRate, halfDuplex: shared, seed } = options;
    this.#folder = folder;
    this.#relay = relay;
    this.#ends = Array.from({ length: ends }, (_, end) => new End(join(folder, `end${end}`)));
    this.ends = this.#ends;
    this.#wire = new Wire({
      ...{ ends, baudRate, shared, seed, counts: this.#counts, clock: systemClock },
      takesBytes: (end) => (this.#end(end).terminal?.socket.writableLength ?? 0) < MAX_UNTAKEN_BYTES,
      onArrival: (end, bytes) => this.#deliver(end, bytes),
      onRoom: (end) => this.#end(end).terminal?.socket.resume(),
    });
    this.#wire.rates = options;
  }

  get statistics(): SerialLineStatistics {
    return { ...this.#counts };
  }

  /** From now on. What is left out is 0. */
  setErrors(errors: SerialLineErrors): void {
    this.#wire.rates = checkSerialLineErrors(errors);
  }

  /** Everything that is sent is swallowed, in all directions, until {@link unmute}. */
  mute(): void {
    this.#wire.muted = true;
  }

  unmute(): void {
    this.#wire.muted = false;
  }

  /** The end receives these bytes, which nobody sent, at once. */
  noise(end: number, bytes: Uint8Array): void {
    this.#deliver(end, Uint8Array.from(bytes));
  }

  /** Pulls the plug: the device disappears, and whoever has it open learns it. */
  async unplug(end: number): Promise<void> {
    const { plugging } = this.#end(end);
    await (this.#end(end).plugging = plugging.then(() => this.#unplug(end)));
  }

  /** Puts it back in: another device under the same path. */
  async replug(end: number): Promise<void> {
    const { plugging } = this.#end(end);
    const plugged = plugging.then(() => this.#plugIn(end));
    this.#end(end).plugging = plugged.catch(() => undefined);
    await plugged;
  }

  /** Takes everything away. Idempotent; resolves when no device, process or timer is left. */
  close(): Promise<void> {
    return (this.#closed ??= (async () => {
      this.#wire.stop();
      await Promise.all(this.#ends.map((_, end) => this.unplug(end)));
      await rm(this.#folder, { recursive: true, force: true });
    })());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #plugIn(index: number): Promise<void> {
    const end = this.#end(index);
    if (end.terminal !== undefined || this.#closed !== undefined) return;
    const terminal = await openPseudoTerminal(this.#folder, `end${index}`, this.#relay);
    const { socket } = terminal;
    end.terminal = terminal;
    socket.on('data', (bytes: Buffer) => {
      end.sentBytes += bytes.length;
      this.#wire.send(index, bytes);
      if (this.#wire.isFull(index)) socket.pause();
    });
    socket.on('drain', () => this.#wire.run());
    // Its relay may end without our doing: that is as if the plug had been pulled.
    socket.once('close', () => {
      if (end.terminal === terminal) void this.unplug(index);
    });
    socket.resume();
  }

  async #unplug(index: number): Promise<void> {
    const end = this.#end(index);
    const { terminal } = end;
    end.terminal = undefined;
    this.#wire.clear(index);
    await terminal?.close();
  }

  #deliver(index: number, bytes: Uint8Array): void {
    const end = this.#end(index);
    const socket = end.terminal?.socket;
    if (socket?.writable !== true) return;
    if (socket.writableLength > MAX_UNTAKEN_BYTES) {
      this.#counts.overrunBytes += bytes.length;
      return;
    }
    end.receivedBytes += bytes.length;
    socket.write(bytes);
  }

  #end(index: number): End {
    const end = this.#ends[index];
    if (end === undefined) throw new HawserError('ARGUMENT_INVALID', `the line has no end ${String(index)}`);
    return end;
  }
}

class End implements SerialLineEnd {
  readonly path: string;
  sentBytes = 0;
  receivedBytes = 0;
  /** While it is plugged in. */
  terminal: PseudoTerminal | undefined;
  /** Plugging in and out, one at a time. Never rejects. */
  plugging: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  get isPluggedIn(): boolean {
    return this.terminal !== undefined;
  }
}

/** Beyond what the kernel holds for an end: about 200 KB. */
const MAX_UNTAKEN_BYTES = 4096;
