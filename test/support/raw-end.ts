/** The far end of a link as bare bytes: a test speaks and reads the wire itself, without the code under test. */
import type { MessageEndpointConnection, MessagingError } from '../../src/endpoint/index.js';

export class RawEnd {
  readonly connection: MessageEndpointConnection;
  /** What arrived, as hex, one entry a chunk. */
  readonly received: string[] = [];
  readonly closes: (MessagingError | undefined)[] = [];
  /** While set, chunks are not taken. */
  pause: Promise<void> | undefined;

  constructor(connection: MessageEndpointConnection) {
    this.connection = connection;
  }

  open(): Promise<void> {
    return this.connection.open({
      receive: (chunk) => {
        this.received.push(Buffer.from(chunk).toString('hex'));
        return this.pause;
      },
      close: (error) => void this.closes.push(error),
    });
  }

  send(hex: string): Promise<void> {
    return this.connection.send(new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex')));
  }
}
