/**
 * The certificate of a listener that runs for longer than its certificate is good. An anonymous one is looked after once a day
 * and exchanged without a restart; of one that the application has given is only said that it ends.
 */
import { renewalDueAt, type Clock, type Logger, type Timer, type TLSIdentity } from '../../src/index.js';

export interface IdentityRenewalOptions {
  readonly current: TLSIdentity;
  /** Gives the identity to use from now on: the same one unless it was renewed. Absent where it is the application's. */
  readonly find: (() => Promise<TLSIdentity>) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

export class IdentityRenewal {
  readonly #options: IdentityRenewalOptions;
  #current: TLSIdentity;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: IdentityRenewalOptions) {
    this.#options = options;
    this.#current = options.current;
    const { current, find, clock, logger } = options;
    if (find !== undefined || clock.now() < renewalDueAt(current)) return;
    const ends = current.expiration.getTime() <= clock.now() ? 'expired' : 'will expire';
    const subject = current.certificate.subject.replaceAll('\n', ', ');
    logger.log(
      'warning',
      'listener',
      `the certificate of ${subject} ${ends} on ${current.expiration.toISOString()}: peers that look at its date refuse it then`,
    );
  }

  get current(): TLSIdentity {
    return this.#current;
  }

  /** @param onRenewed told of each identity that takes the place of the one before */
  start(onRenewed: (identity: TLSIdentity) => void): void {
    const { find, clock } = this.#options;
    if (find === undefined || this.#isStopped) return;
    // By the day, because the device's clock may be set meanwhile; and nobody is kept from ending for it.
    this.#timer = clock.setTimer(DAY_MS, () => void this.#look(find, onRenewed), { background: true });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look(find: () => Promise<TLSIdentity>, onRenewed: (identity: TLSIdentity) => void): Promise<void> {
    const { clock, logger, onError } = this.#options;
    try {
      if (clock.now() >= renewalDueAt(this.#current)) {
        const found = await find();
        if (this.#isStopped) return;
        if (found.certificate.fingerprint256 !== this.#current.certificate.fingerprint256) {
          this.#current = found;
          onRenewed(found);
          logger.log('info', 'listener', `the certificate was renewed, until ${found.expiration.toISOString()}`);
        }
      }
    } catch (error) {
      onError(error); // tomorrow it is tried again
    }
    this.start(onRenewed);
  }
}

const DAY_MS = 86_400_000;
