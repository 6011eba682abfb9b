/**
 * The way of a connection that the application has brought: framing, TLS, handshake, each where it was asked for, until the
 * engine can serve it or it is known why not. One for each listener.
 */
import { join } from 'node:path';
import { systemRandom } from '../base/index.js';
import {
  answerHandshake,
  byteStreamConnection,
  lostError,
  MessagingError,
  MIN_MAX_MESSAGE_SIZE,
  secureConnection,
  toMessagingError,
  type MessageEndpointConnection,
  type ProtocolType,
} from '../endpoint/index.js';
import { anonymousIdentity, renewalDueAt, type ListenerAuthenticator, type TLSIdentity } from '../security/index.js';
import type { AcceptedPeer } from './admission.js';
import type { PeerListener } from './peer-listener.js';
import type { PendingHandshake } from './pending-handshakes.js';

export interface MessageEntranceOptions {
  readonly listener: PeerListener;
  readonly protocolType: ProtocolType;
  readonly handshake: boolean;
  readonly tls: boolean;
  /** @default the anonymous one of the database */
  readonly tlsIdentity: TLSIdentity | undefined;
  readonly authenticator: ListenerAuthenticator | undefined;
  /** Whether somebody is to be asked what a peer may do. */
  readonly asksForAccess: boolean;
}

/** A peer with the connection on which it is to be served. */
export interface Entered {
  readonly connection: MessageEndpointConnection;
  readonly peer: AcceptedPeer;
}

export class MessageEntrance {
  readonly #options: MessageEntranceOptions;
  #anonymous: TLSIdentity | undefined;

  constructor(options: MessageEntranceOptions) {
    this.#options = options;
  }

  /**
   * Lets a connection in, or rejects with a MessagingError: then it is closed, and `refused` was told.
   * @param abandon its `abort` gives the connection up, with a HawserError as the reason
   */
  async enter(
    connection: MessageEndpointConnection,
    address: string | undefined,
    abandon: AbortController,
  ): Promise<Entered> {
    const { listener, handshake, asksForAccess } = this.#options;
    const framed = this.#framed(connection);
    const peer = address === undefined ? {} : { address };
    // What a Couchbase Lite app is at the other end of is opened by the session itself.
    if (!handshake && !asksForAccess) return { connection: framed, peer };
    const pending = listener.handshakes.begin(address, (error) => abandon.abort(error));
    try {
      if (handshake) return await this.#shakeHands(framed, peer, pending, abandon.signal);
      return {
        connection: framed,
        peer: { ...peer, access: await orAborted(listener.accessOf(peer), abandon.signal) },
      };
    } catch (cause) {
      const error = withoutFarewell(toMessagingError(cause, 'letting a peer in'));
      pending.refuse(error);
      await framed.close(abandon.signal.aborted ? error : unavailableError());
      throw error;
    } finally {
      pending.finish();
    }
  }

  /** What peers see, if they see anything: given, or made and kept beside the database. It is renewed before it ends. */
  async identity(): Promise<TLSIdentity | undefined> {
    const { tls, tlsIdentity, listener } = this.#options;
    if (!tls || tlsIdentity !== undefined) return tlsIdentity;
    const { clock, logger, database } = listener;
    const known = this.#anonymous;
    if (known !== undefined && clock.now() < renewalDueAt(known)) return known;
    const found = await anonymousIdentity(join(database.path, IDENTITY_FOLDER), { clock, logger });
    if (known === this.#anonymous) {
      this.#anonymous = found;
      if (known !== undefined && !known.certificate.raw.equals(found.certificate.raw)) listener.renewed(found);
    }
    return found;
  }

  #framed(connection: MessageEndpointConnection): MessageEndpointConnection {
    const { protocolType, handshake, listener } = this.#options;
    if (protocolType === 'messageStream') return connection;
    // Strangers can leave a message unfinished: of hawser's own, which know a handshake, none is larger than this.
    const limit = handshake ? { maxMessageSize: MIN_MAX_MESSAGE_SIZE } : {};
    return byteStreamConnection(connection, { role: 'server', clock: listener.clock, random: systemRandom, ...limit });
  }

  async #shakeHands(
    framed: MessageEndpointConnection,
    known: { readonly address?: string },
    pending: PendingHandshake,
    signal: AbortSignal,
  ): Promise<Entered> {
    const { listener, authenticator } = this.#options;
    const identity = await orAborted(this.#identityOrReport(), signal);
    const { clock } = listener;
    const secured =
      identity === undefined
        ? undefined
        : secureConnection(framed, {
            role: 'server',
            identity,
            ...(authenticator === undefined ? {} : { authenticator }),
            maxMessageSize: MIN_MAX_MESSAGE_SIZE,
            clock,
          });
    return answerHandshake<AcceptedPeer>(secured ?? framed, {
      signal,
      admit: async ({ path, protocols, authorization }) => {
        const shown = authenticator?.kind === 'certificate' ? secured?.peer : undefined;
        const verdict = await listener.admit({
          path,
          protocols,
          authorization,
          ...known,
          ...shown,
          signal: pending.signal,
        });
        if (verdict.status !== 101) pending.refuse(verdict.error);
        return verdict;
      },
    });
  }

  async #identityOrReport(): Promise<TLSIdentity | undefined> {
    try {
      return await this.identity();
    } catch (error) {
      this.#options.listener.report(error); // it will fail for the next one too: somebody has to look at it
      throw error;
    }
  }
}

/** What a peer hears of trouble on this side: nothing of paths and files. */
export function unavailableError(): MessagingError {
  return new MessagingError('CONNECTION_UNAVAILABLE', 'the listener cannot serve anybody now', {
    recoverable: true,
    closeCode: 1013,
  });
}

/** `work`, unless the signal fires before that. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(toMessagingError(signal.reason, 'letting a peer in'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A peer that leaves before it is let in has gone, however politely. */
function withoutFarewell(error: MessagingError): MessagingError {
  if (error.code !== 'CONNECTION_CLOSED_BY_PEER') return error;
  return lostError('the peer went before it was let in', error);
}

/** Beside the documents; shared with every other listener of the database. */
const IDENTITY_FOLDER = 'tls';
