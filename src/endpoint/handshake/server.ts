/** The passive half of the handshake: hears what a peer asks for, has somebody judge it, and answers. */
import type { HawserError } from '../../errors.js';
import type { MessageEndpointConnection, MessagingError } from '../connection.js';
import { toMessagingError } from '../messaging-error.js';
import { ExchangingConnection, HandshakeLine } from './handshake-line.js';
import { decodeRequest, encodeReply, HandshakeError, type HandshakeReply, type HandshakeRequest } from './messages.js';

/** Who was let in, or a status and a reason that may be told, with the error for our own side. */
export type HandshakeVerdict<Peer> =
  { readonly status: 101; readonly protocol: string; readonly peer: Peer } | HandshakeRefusal;

export interface HandshakeRefusal {
  readonly status: number;
  readonly reason: string;
  /** When the peer may try again, in seconds. */
  readonly retryAfter?: number;
  readonly error: HawserError;
}

export interface AnswerHandshakeOptions<Peer> {
  /** Asked once, unless what came is no request. May take its time; a rejection refuses the peer with 503. */
  readonly admit: (request: HandshakeRequest) => Promise<HandshakeVerdict<Peer>>;
  /** Gives the peer up, with a HawserError as its reason: it was too slow, or there are too many. */
  readonly signal: AbortSignal;
}

/** A peer that was let in. It hears of it when the connection is opened. */
export interface AdmittedConnection<Peer> {
  readonly connection: MessageEndpointConnection;
  readonly peer: Peer;
}

/**
 * Opens `inner`, which belongs to the answer from now on, and asks `admit`. Rejects with a {@link MessagingError} when the peer
 * was not let in or has gone; it was told why as far as that was possible in the time that closing may take, and `inner` is closed.
 */
export async function answerHandshake<Peer>(
  inner: MessageEndpointConnection,
  options: AnswerHandshakeOptions<Peer>,
): Promise<AdmittedConnection<Peer>> {
  const { signal, admit } = options;
  const line = new HandshakeLine(inner);
  const abandon = (): void => {
    const reason = toMessagingError(signal.reason, 'handshake');
    line.breakWith(reason);
    void line.hangUp(reason);
  };
  signal.addEventListener('abort', abandon, { once: true });
  try {
    if (signal.aborted) throw toMessagingError(signal.reason, 'handshake');
    await line.open();
    const request = decodeRequest(await line.first());
    const verdict = await line.orBroken(admit(request).catch(undecided));
    if (!('peer' in verdict)) throw new Refused(verdict);
    const { protocol, peer } = verdict;
    const connection = new ExchangingConnection(line, async () => {
      line.throwIfBroken();
      await line.orBroken(inner.send(encodeReply({ status: 101, protocol })));
      return protocol;
    });
    return { connection, peer };
  } catch (cause) {
    throw await dismiss(line, cause);
  } finally {
    signal.removeEventListener('abort', abandon);
  }
}

/** What went wrong in judging is for our side alone. */
function undecided(cause: unknown): HandshakeRefusal {
  const reason = 'it could not be found out whether you may come in';
  return { status: 503, reason, error: toMessagingError(cause, 'a peer could not be judged') };
}

/** Tells the peer what can be told, and closes. Resolves to the reason for our own side. */
async function dismiss(line: HandshakeLine, cause: unknown): Promise<MessagingError> {
  const error = toMessagingError(cause instanceof Refused ? cause.verdict.error : cause, 'handshake');
  const reply = replyTo(cause);
  if (reply === undefined) {
    await line.hangUp(error);
  } else {
    line.inner.send(encodeReply(reply)).catch(() => undefined); // not awaited: it may never be taken
    await line.hangUp(); // in order, so that the answer arrives before the end
  }
  return error;
}

function replyTo(cause: unknown): HandshakeReply | undefined {
  if (cause instanceof HandshakeError) return { status: 400, reason: cause.message };
  if (!(cause instanceof Refused)) return undefined;
  const { status, reason, retryAfter } = cause.verdict;
  return { status, reason, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

/** On its way from the verdict to the answer. */
class Refused extends Error {
  readonly verdict: HandshakeRefusal;

  constructor(verdict: HandshakeRefusal) {
    super(verdict.reason);
    this.verdict = verdict;
  }
}
