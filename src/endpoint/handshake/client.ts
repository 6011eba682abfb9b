/** The active half of the handshake: asks before the first message of the engine, and tells why if the answer is no. */
import { MessagingError, type Message, type MessageEndpointConnection } from '../connection.js';
import { toMessagingError } from '../messaging-error.js';
import { refusalError } from '../refusal.js';
import { ExchangingConnection, HandshakeLine } from './handshake-line.js';
import { decodeReply, encodeRequest, type HandshakeRequest } from './messages.js';

export interface HandshakeOptions extends HandshakeRequest {
  /** What the peer is known by, for messages. */
  readonly name: string;
}

/**
 * Wraps `inner` into a connection that is open when the peer has let us in. `inner` belongs to the result, which opens and
 * closes it. How long `open` may take is for the caller to limit.
 */
export function handshakeConnection(
  inner: MessageEndpointConnection,
  options: HandshakeOptions,
): MessageEndpointConnection {
  const line = new HandshakeLine(inner);
  return new ExchangingConnection(line, async () => {
    const request = encodeRequest(options);
    await line.open();
    // Not awaited: a peer that takes nothing may still end the connection, and say why.
    inner.send(request).catch((cause: unknown) => line.breakWith(toMessagingError(cause, 'handshake')));
    return protocolIn(await line.first(), options);
  });
}

/** The sub-protocol that was chosen. */
function protocolIn(message: Message, { name, protocols }: HandshakeOptions): string {
  const reply = decodeReply(message);
  if (!('protocol' in reply)) throw refusalError(reply.status, reply.reason, name);
  if (protocols.includes(reply.protocol)) return reply.protocol;
  const text = `${name}: offered ${protocols.join(', ')}, and the listener chose another`;
  throw new MessagingError('CONNECTION_PROTOCOL_MISMATCH', text, { recoverable: false });
}
