/**
 * One connection of an attacker: a bare socket, with or without TLS, on which anything can be said at any speed. It knows
 * how a polite client would come in, so that an attack can stop at any point of that way or go wrong after it.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { deferred } from '../../src/base/index.js';
import { clientFrame, ServerFrames } from './web-socket-wire.js';

/** What is attacked, and as whom. Plain data: it travels to the attackers' process. */
export interface Target {
  readonly port: number;
  readonly database: string;
  readonly secure: boolean;
  /** Of an account that the listener knows: an attacker may be one of its own users. */
  readonly authorization?: string;
  /** To show to a listener that asks for certificates. */
  readonly certificate?: PemIdentity;
  /** Those that such a listener must not accept. */
  readonly wrongCertificates?: readonly PemIdentity[];
}

export interface PemIdentity {
  readonly key: string;
  readonly cert: string;
}

/** How a connection ended, as its attacker saw it. */
export interface Ending {
  /** `us`: the attacker had enough. */
  readonly by: 'them' | 'us';
  /** The last that the listener said: `HTTP 401`, `close 1009`, or `''`. */
  readonly lastWord: string;
  /** It had become a WebSocket. */
  readonly wasIn: boolean;
}

export class Intruder {
  /** The TCP socket, then the TLS socket on it. */
  #socket: Socket;
  readonly #ended = deferred<Ending>();
  readonly #frames = new ServerFrames();
  readonly #answer = deferred<number>();
  #head = '';
  #wasIn = false;
  #lastWord = '';
  #isLeaving = false;
  #onMessage: (payload: Buffer) => void | Promise<void> = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#listenTo(socket);
  }

  /** Connects TCP and nothing else. Undefined if even that fails. */
  static async connect({ port }: Target, from: string): Promise<Intruder | undefined> {
    const socket = connectTcp({ host: '127.0.0.1', port, localAddress: from });
    const intruder = new Intruder(socket);
    return (await isReady(socket, 'connect')) ? intruder : undefined;
  }

  /** Puts TLS on it. False if the listener wants none of it: the connection is over then, or about to be. */
  startTls(certificate: PemIdentity | undefined): Promise<boolean> {
    const raw = this.#socket;
    const tls = connectTls({ socket: raw, rejectUnauthorized: false, ...certificate });
    raw.removeAllListeners('data').removeAllListeners('close');
    raw.on('close', () => tls.destroy());
    this.#socket = tls;
    this.#listenTo(tls);
    return isReady(tls, 'secureConnect');
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Resolves when the connection is over, whoever ended it. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  /** Resolves when the kernel has taken it, or the connection is over. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.isOver) return;
    const written = deferred();
    this.#socket.write(bytes, () => written.resolve());
    await Promise.race([written.promise, this.ended]);
  }

  /** One byte at a time, until there are no more or the connection is over. */
  async drip(bytes: Uint8Array, everyMs: number): Promise<void> {
    for (let index = 0; index < bytes.length && !this.isOver; index++) {
      await this.write(bytes.subarray(index, index + 1));
      const pause = deferred();
      const timer = setTimeout(() => pause.resolve(), everyMs);
      await Promise.race([pause.promise, this.ended]);
      clearTimeout(timer);
    }
  }

  /** Asks to become a WebSocket, and resolves to the status of the answer: 0 if there was none. */
  async upgrade(request: string | Uint8Array): Promise<number> {
    await this.write(request);
    return this.#answer.promise;
  }

  /** From now on `take` gets each message. A promise makes it stop reading, for as long as it likes. */
  onMessage(take: (payload: Buffer) => void | Promise<void>): void {
    this.#onMessage = take;
  }

  /** Reads nothing any more: what comes fills the kernel's buffers and then the listener's. */
  stopReading(): void {
    this.#socket.removeAllListeners('data');
    this.#socket.pause();
  }

  /** Has had enough. @param farewell say goodbye as a WebSocket does; otherwise the line is cut */
  async leave(farewell = false): Promise<void> {
    this.#isLeaving = true;
    if (farewell) await this.write(clientFrame(Buffer.from([3, 232]), { opcode: 8 }));
    else this.#socket.destroy();
    await this.ended;
  }

  #listenTo(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      this.#answer.resolve(0);
      this.#ended.resolve({ by: this.#isLeaving ? 'us' : 'them', lastWord: this.#lastWord, wasIn: this.#wasIn });
    });
  }

  #heard(chunk: Buffer): void {
    if (this.#wasIn) return this.#frame(chunk);
    this.#head += chunk.toString('latin1');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(this.#head)?.[1];
    const end = this.#head.indexOf('\r\n\r\n');
    if (status === undefined || end < 0) return;
    this.#lastWord = `HTTP ${status}`;
    this.#wasIn = status === '101';
    this.#answer.resolve(Number(status));
    if (this.#wasIn) this.#frame(Buffer.from(this.#head.slice(end + 4), 'latin1'));
  }

  #frame(chunk: Buffer): void {
    for (const { opcode, payload } of this.#frames.push(chunk)) {
      if (opcode === 8) this.#farewell(payload);
      else if (opcode === 2) {
        const rest = this.#onMessage(payload);
        if (rest === undefined) continue;
        this.#socket.pause();
        void rest.then(() => this.#socket.resume());
      }
    }
  }

  /** Answers a close frame, as a WebSocket does. */
  #farewell(payload: Buffer): void {
    this.#lastWord = `close ${payload.length < 2 ? 1005 : payload.readUInt16BE(0)}`;
    if (!this.isOver) this.#socket.end(clientFrame(payload.subarray(0, 2), { opcode: 8 }));
  }
}

/** Whether the event comes before the end. */
function isReady(socket: Socket, event: 'connect' | 'secureConnect'): Promise<boolean> {
  const ready = deferred<boolean>();
  socket.once(event, () => ready.resolve(true)).once('close', () => ready.resolve(false));
  return ready.promise;
}

/** The upgrade of a polite client. `lines` are added, or replace those that begin alike; a line without a value removes one. */
export function upgradeRequest(target: Target, lines: readonly string[] = [], path?: string): string {
  const standard = [
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: BLIP_3+CBMobile_3,BLIP_3+CBMobile_2',
    ...(target.authorization === undefined ? [] : [`Authorization: ${target.authorization}`]),
  ];
  const nameOf = (line: string): string => line.slice(0, line.indexOf(':'));
  const kept = standard.filter((line) => !lines.some((other) => nameOf(other) === nameOf(line)));
  const added = lines.filter((line) => !line.endsWith(':'));
  const first = `GET ${path ?? `/${target.database}/_blipsync`} HTTP/1.1`;
  return `${[first, ...kept, ...added].join('\r\n')}\r\n\r\n`;
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
