/** What somebody can do who sits between the two ends of a secure connection: end it. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { seededRandom } from '../../src/base/index.js';
import { MessagingError, type Message } from '../../src/endpoint/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { bytes, hex, opened, securePair, settle } from '../support/secure-pair.js';

const LIMIT = { timeout: 120_000 };

let device: TLSIdentity;
before(async () => {
  device = await selfSignedIdentity('device');
});

/** What somebody on the way can do to the message with that index, given the one after it when there is one. */
const MEDDLING: Readonly<Record<string, (message: Message, state: { held?: Message }) => readonly Message[]>> = {
  'changes a bit': (message) => {
    const changed = new Uint8Array(message);
    changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
    return [changed];
  },
  'changes a header': (message) => [Uint8Array.from(message, (byte, index) => (index === 0 ? byte ^ 3 : byte))],
  'cuts off the end': (message) => [message.subarray(0, message.length - 1)],
  'drops one': () => [],
  'repeats one': (message) => [new Uint8Array(message), message],
  'inserts some': (message) => [bytes(40, 9), message],
  'swaps two': (message, state) => {
    state.held = message;
    return [];
  },
};

describe('somebody on the way who', LIMIT, () => {
  for (const [what, act] of Object.entries(MEDDLING)) {
    for (const role of ['near', 'far'] as const) {
      it(`${what} ends the connection, and nothing changed is delivered (sent by the ${role} end)`, async () => {
        const pair = securePair(device);
        const recorders = await opened(pair);
        await settle();
        const from = pair.below[role];
        const start = from.sent.length;
        const state: { held?: Message } = {};
        from.meddle = (message, index) => {
          const { held } = state;
          if (held !== undefined) {
            delete state.held;
            return [message, held];
          }
          return index === start + 2 ? act(message, state) : [message];
        };
        const sent = Array.from({ length: 8 }, (_, index) => bytes(500, index));
        for (const message of sent) {
          await pair[role].send(message).catch(() => undefined);
          await settle(); // each in a message of its own
        }
        const to = recorders[role === 'near' ? 'far' : 'near'];
        const error = await to.untilClosed();
        assert.deepEqual([error?.code, error?.recoverable], ['CONNECTION_LOST', true], error?.message);
        const whole = what === 'repeats one' ? 3 : 2; // the first of the two is as it was sent
        assert.deepEqual(to.messages.map(hex), sent.slice(0, whole).map(hex));
        await recorders[role].untilClosed();
        await Promise.all([pair.near.close(), pair.far.close()]);
      });
    }
  }

  for (let seed = 1; seed <= 12; seed++) {
    it(`spoils the opening gets no further, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const pair = securePair(device, { client: { closeTimeoutMs: 20 }, server: { closeTimeoutMs: 20 } });
      const acts = Object.values(MEDDLING).slice(0, 6);
      for (const end of Object.values(pair.below)) {
        end.meddle = (message) => {
          if (random.next() < 0.5) return [message];
          return (acts[Math.floor(random.next() * acts.length)] as (m: Message, s: object) => Message[])(message, {});
        };
      }
      const recorders = [new ConnectionRecorder(), new ConnectionRecorder()] as const;
      const outcomes = [recorders[0].open(pair.near), recorders[1].open(pair.far)].map((opening) =>
        opening.then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      await settle();
      pair.cut(); // what was dropped is waited for; here nobody has a deadline
      for (const outcome of await Promise.all(outcomes)) {
        if (outcome === undefined) continue;
        assert.ok(outcome instanceof MessagingError);
        assert.match(outcome.code, /^(TLS_|CONNECTION_)/);
      }
      for (const { messages } of recorders) assert.deepEqual(messages, []);
      await Promise.all([pair.near.close(), pair.far.close()]);
    });
  }

  for (let seed = 50; seed < 62; seed++) {
    it(`sends random bytes to a server is turned away, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const pair = securePair(device, { server: { closeTimeoutMs: 20 } });
      const opening = new ConnectionRecorder().open(pair.far).then(
        () => undefined,
        (error: unknown) => error,
      );
      const raw = pair.below.near;
      const heard = new ConnectionRecorder();
      await heard.open(raw);
      for (let index = 0; index < 10 && heard.closes.length === 0; index++) {
        const junk = random.bytes(1 + Math.floor(random.next() * 2_000));
        if (seed % 2 === 0) junk.set([22, 3, 1]); // looks like a handshake
        await raw.send(junk).catch(() => undefined);
        await settle();
      }
      await raw.close();
      const outcome = await opening;
      assert.ok(outcome instanceof MessagingError);
      assert.match(outcome.code, /^(TLS_HANDSHAKE_FAILED|CONNECTION_(LOST|CLOSED_BY_PEER))$/);
    });
  }
});
