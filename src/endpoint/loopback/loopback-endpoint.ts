/** An endpoint within the process: each connection to it hands its other end to a function, usually a listener's accept. */
import { checkOptions } from '../../base/index.js';
import { HawserError } from '../../errors.js';
import { MessagingError, type MessageEndpointConnection } from '../connection.js';
import type { ConnectOptions, Endpoint } from '../endpoint.js';
import { checkUid } from '../message-endpoint.js';
import { isMessagingError } from '../messaging-error.js';
import { LOOPBACK_OPTIONS, makeLoopbackPair, resolveLoopbackOptions, type LoopbackOptions } from './loopback-pair.js';

export class LoopbackEndpoint implements Endpoint {
  /** The identity given to the constructor. */
  readonly remoteID: string;
  readonly #accept: (connection: MessageEndpointConnection) => void;
  readonly #options: Omit<LoopbackOptions, 'clock'>;

  /**
   * @param accept takes the far end of each connection when the near one is opened, and opens it; it refuses by closing
   *   it (with a reason) or by throwing
   * @param uid the stable identity of the remote database
   * @param options the clock is that of the replicator
   * @throws HawserError `ARGUMENT_INVALID` or `OPTION_UNKNOWN`
   */
  constructor(
    accept: (connection: MessageEndpointConnection) => void,
    uid: string,
    options: Omit<LoopbackOptions, 'clock'> = {},
  ) {
    if (typeof accept !== 'function') {
      throw new HawserError('ARGUMENT_INVALID', 'LoopbackEndpoint: accept must be a function');
    }
    this.remoteID = checkUid('LoopbackEndpoint', uid);
    checkOptions(
      'LoopbackEndpoint',
      options,
      LOOPBACK_OPTIONS.filter((name) => name !== 'clock'),
    );
    resolveLoopbackOptions(options);
    this.#accept = accept;
    this.#options = options;
  }

  createConnection(options: ConnectOptions): MessageEndpointConnection {
    const far = resolveLoopbackOptions({ ...this.#options, clock: options.clock });
    const onOpen = (): void => this.#offer(pair.b);
    const pair = makeLoopbackPair({ ...far, onOpen, connectTimeoutMs: options.connectTimeoutMs }, far);
    return pair.a;
  }

  #offer(connection: MessageEndpointConnection): void {
    try {
      this.#accept(connection);
    } catch (cause) {
      if (isMessagingError(cause)) throw cause;
      throw new MessagingError('CONNECTION_REFUSED', 'nobody accepts loopback connections here', {
        cause,
        recoverable: true,
      });
    }
  }
}
