/** Stands between peers and counts what passes, from outside: what TLS and WebSocket add is in the figure. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export class CountingRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Both ways. */
  bytes = 0;
  /** Pieces as they arrived from clients and from the listener; on a link at rest each is a message of its own. */
  readonly pieces = { fromClients: 0, fromListener: 0 };
  #lastAt = performance.now();
  #cutAt = Number.POSITIVE_INFINITY;
  #isCut = false;

  static async to(port: number): Promise<CountingRelay> {
    const relay = new CountingRelay(port);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      this.#carry(near, far, 'fromClients');
      this.#carry(far, near, 'fromListener');
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Whether {@link cutAfter} has cut. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Cuts all connections once so many more bytes have passed. Later ones are carried as before. */
  cutAfter(bytes: number): void {
    this.#cutAt = this.bytes + bytes;
  }

  /** Resolves when nothing has passed for so long. */
  async silence(seconds: number): Promise<void> {
    for (;;) {
      const left = this.#lastAt + seconds * 1_000 - performance.now();
      if (left <= 0) return;
      await delay(left);
    }
  }

  close(): void {
    this.#server.close();
    this.#destroyAll();
  }

  #carry(from: Socket, to: Socket, direction: keyof CountingRelay['pieces']): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (piece) => {
      this.bytes += piece.length;
      this.pieces[direction]++;
      this.#lastAt = performance.now();
      if (this.bytes >= this.#cutAt) this.#cut();
    });
    from.on('error', () => to.destroy());
    from.on('close', () => this.#sockets.delete(from));
    from.pipe(to);
  }

  #cut(): void {
    this.#cutAt = Number.POSITIVE_INFINITY;
    this.#isCut = true;
    this.#destroyAll();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
