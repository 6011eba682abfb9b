/** A secure connection over a loopback link on which somebody listens and may meddle. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { seededRandom, systemClock } from '../../src/base/index.js';
import {
  loopbackPair,
  secureConnection,
  type Message,
  type MessageEndpointConnection,
  type MessagingError,
  type ReplicatorConnection,
  type SecureConnection,
  type SecureOptions,
} from '../../src/endpoint/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { ConnectionRecorder } from '../conformance/index.js';

export type ClientOptions = Partial<Extract<SecureOptions, { role: 'client' }>>;
export type ServerOptions = Partial<Extract<SecureOptions, { role: 'server' }>>;

export interface SecurePair {
  readonly near: SecureConnection;
  readonly far: SecureConnection;
  /** The ends of the connection below, as the layers see them. */
  readonly below: Record<'near' | 'far', Tapped>;
  readonly cut: () => void;
}

/** A connection that somebody on the way listens to and meddles with. */
export class Tapped implements MessageEndpointConnection {
  readonly sent: Message[] = [];
  readonly closedWith: (MessagingError | undefined)[] = [];
  /** What becomes of a message that is sent. */
  meddle: (message: Message, index: number) => readonly Message[] = (message) => [message];
  /** Set while the engine of the layer is to be spoken to from outside. */
  engine: ReplicatorConnection | undefined;
  readonly #inner: MessageEndpointConnection;

  constructor(inner: MessageEndpointConnection) {
    this.#inner = inner;
  }

  open(engine: ReplicatorConnection): Promise<void> {
    this.engine = engine;
    return this.#inner.open(engine);
  }

  async send(message: Message): Promise<void> {
    this.sent.push(new Uint8Array(message));
    for (const instead of this.meddle(message, this.sent.length - 1)) await this.#inner.send(instead);
  }

  close(error?: MessagingError): Promise<void> {
    this.closedWith.push(error);
    return this.#inner.close(error);
  }
}

/** Fresh ends; the client pins `device`, which the server shows, unless the options say otherwise. */
export function securePair(
  device: TLSIdentity,
  { client = {}, server = {} }: { client?: ClientOptions; server?: ServerOptions } = {},
): SecurePair {
  const { a, b, cut } = loopbackPair();
  const below = { near: new Tapped(a), far: new Tapped(b) };
  const near = secureConnection(below.near, {
    role: 'client',
    name: 'radio 7',
    trust: { pinnedServerCertificate: device.certificate },
    clock: systemClock,
    ...client,
  });
  const far = secureConnection(below.far, { role: 'server', identity: device, clock: systemClock, ...server });
  return { near, far, below, cut };
}

/** Opens both ends. */
export async function opened(pair: SecurePair): Promise<Record<'near' | 'far', ConnectionRecorder>> {
  const recorders = { near: new ConnectionRecorder(), far: new ConnectionRecorder() };
  await Promise.all([recorders.near.open(pair.near), recorders.far.open(pair.far)]);
  return recorders;
}

/** Lets everything run that is due, TLS included. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await nextTurn();
}

export function hex(message: Uint8Array): string {
  return Buffer.from(message).toString('hex');
}

export function bytes(length: number, seed = 1): Uint8Array {
  return seededRandom(seed).bytes(length);
}
