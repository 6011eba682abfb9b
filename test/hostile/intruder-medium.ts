/** An intruder's WebSocket as a connection of the engine, for attackers who break no rule below the replication protocol. */
import type { Message, MessageEndpointConnection, MessagingError, ReplicatorConnection } from '../../src/index.js';
import { lostError } from '../../src/endpoint/messaging-error.js';
import { RawBlipPeer, type RawHandler } from '../support/raw-blip-peer.js';
import type { Intruder } from './intruder.js';
import { clientFrame } from './web-socket-wire.js';

class IntruderMedium implements MessageEndpointConnection {
  readonly #intruder: Intruder;

  constructor(intruder: Intruder) {
    this.#intruder = intruder;
  }

  async open(receiver: ReplicatorConnection): Promise<void> {
    this.#intruder.onMessage((payload) => receiver.receive(new Uint8Array(payload)));
    void this.#intruder.ended.then(() => receiver.close(lostError('the listener has ended it')));
  }

  send(message: Message): Promise<void> {
    return this.#intruder.write(clientFrame(message));
  }

  close(error?: MessagingError): Promise<void> {
    return this.#intruder.leave(error === undefined);
  }
}

/** A peer that speaks BLIP on it as it is told. */
export async function speakBlip(intruder: Intruder, onRequest?: RawHandler): Promise<RawBlipPeer> {
  const raw = new RawBlipPeer(new IntruderMedium(intruder), onRequest);
  await raw.open();
  return raw;
}
