/** A bus, at the end that listens and gives the turn: the port stays open, nodes come and go. */
import { lostError, type ListenerHost, type ListenerMedium } from '../../src/index.js';
import { BusNode } from './bus-node.js';
import { KeptPort } from './kept-port.js';
import { busLink, type LineProfile } from './line-profile.js';
import type { SerialPortOptions } from './port-options.js';
import { TurnGiver } from './turn-giver.js';

export interface BusGatewayOptions {
  readonly port: SerialPortOptions;
  readonly addresses: readonly number[];
  /** How long a node may take to begin its answer, in milliseconds. */
  readonly turnaroundMs: number;
  readonly profile: LineProfile;
  readonly host: ListenerHost;
}

export class BusGateway implements ListenerMedium {
  readonly #port: KeptPort;
  readonly #nodes: readonly BusNode[];
  readonly #turns: TurnGiver;

  /** Opens the port, or rejects with a MessagingError. */
  static async open(options: BusGatewayOptions): Promise<BusGateway> {
    const gateway = new BusGateway(options);
    await gateway.#port.open();
    gateway.#turns.start();
    return gateway;
  }

  private constructor({ port, addresses, turnaroundMs, profile, host }: BusGatewayOptions) {
    const { clock, accept } = host;
    const { highWaterMark, lineBytesPerSecond } = profile;
    const link = busLink(profile.link);
    this.#nodes = addresses.map(
      (address) => new BusNode({ address, path: port.path, turnaroundMs, clock, link, highWaterMark, accept }),
    );
    this.#port = new KeptPort({
      port,
      clock,
      onData: (bytes) => this.#turns.received(bytes),
      onWritable: () => undefined, // a turn is short, and nothing else is ever written
      onLost: (error) => {
        host.report(error);
        this.#turns.stop();
        for (const node of this.#nodes) node.lost(error);
      },
      onReopened: () => this.#turns.start(),
      onProblem: (error) => host.report(error),
    });
    const { maxPacketSize } = link;
    this.#turns = new TurnGiver({ nodes: this.#nodes, maxPacketSize, lineBytesPerSecond, clock, port: this.#port });
  }

  async close(): Promise<void> {
    this.#turns.stop();
    await this.#port.close();
    // One that came while the listener was closing the others.
    for (const node of this.#nodes) node.lost(lostError('the port was closed'));
  }
}
