/**
 * Judges handshakes, in an order that lets strangers learn little and cost little: the path, the protocol, the number of
 * connections, the wait after failed log-ins, the proof, and last what the peer may do.
 */
import { deferred, type Clock, type Logger } from '../base/index.js';
import type { Collection } from '../database/index.js';
import { HawserError, isHawserError } from '../errors.js';
import { PROTOCOLS } from '../replicator/index.js';
import type { Authentication, ListenerAuthenticator, PeerIdentity } from '../security/index.js';
import { refusal, type Admission, type PeerRequest } from './admission.js';
import { FailedLogins } from './failed-logins.js';
import type { ListenerLimits } from './listener-limits.js';
import { LoginTurns } from './login-turns.js';
import { checkAccess, everything, type AuthorizePeer, type PeerAccess } from './peer-access.js';

export interface DoorkeeperOptions {
  readonly collections: readonly Collection<never>[];
  readonly authenticator: ListenerAuthenticator | undefined;
  readonly authorize: AuthorizePeer | undefined;
  readonly limits: Required<ListenerLimits>;
  readonly clock: Clock;
  /** What callbacks do wrong. */
  readonly logger: Logger;
  /** Why no more connections are taken from there now, if that is so. */
  readonly crowded: (address: string | undefined) => string | undefined;
  /** Told when `authorize` fails. */
  readonly onError: (error: HawserError) => void;
}

export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly #databaseName: string;
  readonly #failedLogins: FailedLogins;
  readonly #turns: LoginTurns;

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
    const { clock, limits, collections } = options;
    this.#databaseName = (collections[0] as Collection<never>).database.name;
    this.#failedLogins = new FailedLogins({ clock, maxDelayMs: limits.maxLoginDelay * 1_000 });
    this.#turns = new LoginTurns({
      maxWaiting: limits.maxHandshakes,
      maxWaitingPerAddress: limits.maxHandshakesPerAddress,
    });
  }

  /** Never rejects. */
  async admit(request: PeerRequest): Promise<Admission> {
    const { address } = request;
    if (databaseOfPath(request.path) !== this.#databaseName) return refusal(404, 'there is no such database');
    const protocol = request.protocols.find((offered) => PROTOCOLS.includes(offered));
    if (protocol === undefined) return refusal(400, `no common protocol; I speak ${PROTOCOLS.join(', ')}`);
    const crowded = this.#options.crowded(address);
    if (crowded !== undefined) return refusal(503, crowded);
    const { authenticator, authorize } = this.#options;
    const claim = authenticator?.claimOf(request);
    if (authenticator !== undefined && claim === undefined) {
      const result = await authenticator.authenticate(request, this.#options.logger);
      return result.ok ? refusal(401, 'nothing was proved') : refusal(result.status, result.reason);
    }
    if (authenticator === undefined && authorize === undefined) {
      return { status: 101, protocol, peer: address === undefined ? {} : { address } };
    }
    return this.#delayed(request, claim) ?? this.#inTurn(request, claim, protocol);
  }

  /** What a peer may do. Rejects with `AUTHORIZATION_FAILED`, which has been told and logged. */
  async accessOf(identity: PeerIdentity): Promise<PeerAccess> {
    const { authorize, collections, onError } = this.#options;
    if (authorize === undefined) return everything(collections);
    try {
      return checkAccess(await authorize(identity), collections);
    } catch (error) {
      const failure = asAuthorizationError(error);
      onError(failure);
      throw failure;
    }
  }

  /** Where a wait is running there is no other answer, to a right password either: it would tell that it is right. */
  #delayed({ address }: PeerRequest, claim: string | undefined): Admission | undefined {
    const waitMs = claim === undefined ? 0 : this.#failedLogins.waitFor(address, claim);
    if (waitMs <= 0) return undefined;
    const retryAfter = Math.ceil(waitMs / 1_000);
    return refusal(429, `too many log-ins failed: try again in ${retryAfter} s`, { retryAfter });
  }

  async #inTurn(request: PeerRequest, claim: string | undefined, protocol: string): Promise<Admission> {
    const { address, signal } = request;
    const turn = await this.#turns.take({ address, claim, signal });
    if (turn === undefined) return refusal(503, 'too many log-ins at a time');
    const { clock, limits } = this.#options;
    // Nobody waits for longer; a callback that never answers must not keep its turn for ever.
    const late = deferred<Admission>();
    const timeout = (): void => late.resolve(refusal(503, 'it could not be found out in time who may come in'));
    const timer = clock.setTimer(limits.handshakeTimeout * 1_000, timeout, { background: true });
    try {
      return await Promise.race([this.#judge(request, claim, protocol), late.promise]);
    } finally {
      timer.cancel();
      turn.end();
    }
  }

  async #judge(request: PeerRequest, claim: string | undefined, protocol: string): Promise<Admission> {
    const { address } = request;
    const delayed = this.#delayed(request, claim); // by those who were before it
    if (delayed !== undefined) return delayed;
    const proof = claim === undefined ? NO_PROOF : await this.#prove(request, claim);
    if (!proof.ok) return refusal(proof.status, proof.reason);
    const { ok: _, ...proved } = proof;
    const identity: PeerIdentity = { ...(address === undefined ? {} : { address }), ...proved };
    try {
      const access = await this.accessOf(identity);
      const crowded = this.#options.crowded(address);
      return crowded === undefined ? { status: 101, protocol, peer: { ...identity, access } } : refusal(503, crowded);
    } catch (error) {
      return refusal(503, 'it could not be found out what you may do', { error: asAuthorizationError(error) });
    }
  }

  async #prove(request: PeerRequest, claim: string): Promise<Authentication> {
    const { authenticator, logger } = this.#options;
    const result = (await authenticator?.authenticate(request, logger)) ?? NO_PROOF;
    if (result.ok) this.#failedLogins.succeeded(request.address, claim);
    else this.#failedLogins.failed(request.address, claim);
    return result;
  }
}

const NO_PROOF: Authentication = { ok: true };

/** The database that a path asks for; undefined where it is not of the form `/<database>/_blipsync`. */
function databaseOfPath(path: string): string | undefined {
  const name = /^\/([^/?#]+)\/_blipsync$/.exec(path)?.[1];
  if (name === undefined) return undefined;
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

function asAuthorizationError(error: unknown): HawserError {
  if (isHawserError(error) && error.code === 'AUTHORIZATION_FAILED') return error;
  const text = error instanceof Error ? error.message : String(error);
  return new HawserError('AUTHORIZATION_FAILED', `the authorize callback failed: ${text}`, { cause: error });
}
