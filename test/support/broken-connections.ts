/**
 * Connections that each break one promise of the contract, run through the conformance suite: a program of its own,
 * started by `conformance-catches.test.ts`, which expects the right case of each to fail.
 */
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../src/base/index.js';
import {
  loopbackPair,
  MessagingError,
  type Message,
  type MessageEndpointConnection,
  type ReplicatorConnection,
} from '../../src/endpoint/index.js';
import { connectionConformance } from '../conformance/index.js';

/** Passes everything through; each broken one overrides what it breaks. */
class Honest implements MessageEndpointConnection {
  constructor(readonly inner: MessageEndpointConnection) {}

  open(engine: ReplicatorConnection): Promise<void> {
    return this.inner.open(this.wrap(engine));
  }

  wrap(engine: ReplicatorConnection): ReplicatorConnection {
    return engine;
  }

  send(message: Message): Promise<void> {
    return this.inner.send(message);
  }

  close(error?: MessagingError): Promise<void> {
    return this.inner.close(error);
  }
}

let made = 0;

const broken: Record<string, new (inner: MessageEndpointConnection) => Honest> = {
  'nothing is broken': Honest,
  'two ends are reported': class extends Honest {
    override wrap(engine: ReplicatorConnection): ReplicatorConnection {
      return {
        receive: (message) => engine.receive(message),
        close: (error) => {
          engine.close(error);
          engine.close(error);
        },
      };
    }
  },
  'no end is reported': class extends Honest {
    override wrap(engine: ReplicatorConnection): ReplicatorConnection {
      return { receive: (message) => engine.receive(message), close: () => undefined };
    }
  },
  'empty messages are swallowed': class extends Honest {
    override send(message: Message): Promise<void> {
      return message.length === 0 ? Promise.resolve() : this.inner.send(message);
    }
  },
  'two messages become one': class extends Honest {
    #first: Message | undefined;
    override async send(message: Message): Promise<void> {
      const first = this.#first;
      this.#first = message.length === 36 && first === undefined ? message : undefined;
      if (this.#first === undefined) await this.inner.send(Buffer.concat([first ?? new Uint8Array(0), message]));
    }
  },
  'neighbours change places': class extends Honest {
    #held: Message | undefined;
    override async send(message: Message): Promise<void> {
      if (message.length === 50) {
        this.#held = message;
        return;
      }
      await this.inner.send(message);
      if (this.#held !== undefined) await this.inner.send(this.#held);
      this.#held = undefined;
    }
  },
  'a pause is ignored': class extends Honest {
    override wrap(engine: ReplicatorConnection): ReplicatorConnection {
      return { receive: (message) => void engine.receive(message), close: (error) => engine.close(error) };
    }
  },
  'messages are delivered early': class extends Honest {
    readonly #isLate = made++ % 2 === 1;
    override async open(engine: ReplicatorConnection): Promise<void> {
      await this.inner.open(engine);
      for (let turn = 0; this.#isLate && turn < 10; turn++) await setImmediate();
    }
  },
  'a send after the end succeeds': class extends Honest {
    override send(message: Message): Promise<void> {
      return this.inner.send(message).catch((error: unknown) => {
        if (error instanceof MessagingError && error.code === 'CONNECTION_NOT_OPEN') return;
        throw error;
      });
    }
  },
  'a message above the limit ends the connection': class extends Honest {
    override send(message: Message): Promise<void> {
      return this.inner.send(message).catch(async (error: unknown) => {
        await this.inner.close();
        throw error;
      });
    }
  },
  'what was sent before the end is dropped': class extends Honest {
    override close(): Promise<void> {
      return this.inner.close(new MessagingError('CONNECTION_FAILED', 'never come back', { recoverable: false }));
    }
  },
  'reasons are lost': class extends Honest {
    override close(): Promise<void> {
      return this.inner.close();
    }
  },
  'close rejects the second time': class extends Honest {
    #isClosed = false;
    override close(error?: MessagingError): Promise<void> {
      if (this.#isClosed) return Promise.reject(new Error('closed already'));
      this.#isClosed = true;
      return this.inner.close(error);
    }
  },
  'open is pending for ever when it is closed': class extends Honest {
    override open(engine: ReplicatorConnection): Promise<void> {
      const opening = this.inner.open(engine);
      return new Promise((resolve) => {
        opening.then(resolve, () => undefined);
      });
    }
  },
  'an error is plain': class extends Honest {
    override open(engine: ReplicatorConnection): Promise<void> {
      return this.inner.open(engine).catch(() => Promise.reject(new Error('ECONNREFUSED')));
    }
  },
  'a timer is left': class extends Honest {
    override open(engine: ReplicatorConnection): Promise<void> {
      systemClock.setTimer(2_000, () => undefined);
      return this.inner.open(engine);
    }
  },
  'memory around a message is sent': class extends Honest {
    override send(message: Message): Promise<void> {
      const isView = message.length === 100 && message.byteOffset === 100;
      return this.inner.send(isView ? new Uint8Array(message.buffer) : message);
    }
  },
};

for (const [what, Broken] of Object.entries(broken)) {
  connectionConformance(
    what,
    () => ({
      connect() {
        const { a, b, cut } = loopbackPair({ maxMessageSize: 70_000 });
        return { near: new Broken(a), far: new Broken(b), vanish: cut };
      },
      refuse() {
        const { a, b } = loopbackPair();
        void b.close();
        return new Broken(a);
      },
      maxMessageSize: 70_000,
      maxBufferedBytes: 70_000,
    }),
    Broken === Honest ? {} : { patienceMs: 60, timeoutMs: 300, stallMs: 5 },
  );
}
