/** A stretch of network that can be down: then nothing passes, what is open breaks, and who connects is thrown out. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class NetworkLink {
  /** Where it leads; may be told after somebody connected in vain. */
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isDown = false;

  static async open(): Promise<NetworkLink> {
    const link = new NetworkLink();
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  private constructor() {
    this.#server = createServer({ noDelay: true }, (near) => this.#carry(near));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts what is open, and lets nobody through until {@link heal}. */
  cut(): void {
    this.#isDown = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Whatever is sent on what is open is lost, and nobody is told: a cable that was pulled somewhere in the middle. */
  hang(): void {
    for (const socket of this.#sockets) {
      socket
        .unpipe()
        .on('data', () => undefined)
        .resume();
    }
  }

  heal(): void {
    this.#isDown = false;
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #carry(near: Socket): void {
    near.on('error', () => undefined);
    if (this.#isDown) {
      near.destroy();
      return;
    }
    const far = connect({ port: this.targetPort, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
