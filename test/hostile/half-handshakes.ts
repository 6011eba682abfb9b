/** Attackers who begin and do not go on, or go on as slowly as they can, before they are let in. */
import { connect as connectTls } from 'node:tls';
import { Duplex } from 'node:stream';
import { deferred } from '../../src/base/index.js';
import type { Attack, Strike } from './attack.js';
import { upgradeRequest, type Intruder } from './intruder.js';

const attacks: readonly Attack[] = [
  {
    name: 'connects and says nothing',
    perSecond: 400,
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    go: (strike) => begin(strike, () => strike.connect()),
  },
  {
    name: 'stops in the middle of a ClientHello',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    against: 'tls',
    go: (strike) =>
      begin(
        strike,
        () => strike.connect(),
        async () => cut(strike, await clientHello()),
      ),
  },
  {
    name: 'speaks TLS and says nothing',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    against: 'tls',
    go: (strike) => begin(strike, () => strike.secure()),
  },
  {
    name: 'stops in the middle of a request',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    go: (strike) =>
      begin(
        strike,
        () => strike.secure(),
        () => cut(strike, Buffer.from(upgradeRequest(strike.target))),
      ),
  },
  {
    name: 'says its ClientHello byte by byte',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    against: 'tls',
    go: (strike) => begin(strike, () => strike.connect(), clientHello, SLOW_MS),
  },
  {
    name: 'says its request byte by byte',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    go: (strike) =>
      begin(
        strike,
        () => strike.secure(),
        () => Buffer.from(upgradeRequest(strike.target, LONG_HEADER)),
        SLOW_MS,
      ),
  },
  {
    name: 'begins a request with headers that never end',
    reasons: ['LISTENER_BUSY', 'CONNECTION_TIMEOUT'],
    go: (strike) =>
      begin(
        strike,
        () => strike.secure(),
        () => Buffer.from(`GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(2_000)}`),
      ),
  },
  {
    name: 'connects and is gone',
    reasons: ['CONNECTION_LOST'],
    count: 400,
    perSecond: 400,
    go: async (strike) => (await strike.connect())?.leave(),
  },
  {
    name: 'is gone as soon as TLS is up',
    reasons: ['CONNECTION_LOST'],
    against: 'tls',
    perSecond: 150,
    go: async (strike) => (await strike.secure())?.leave(),
  },
];

/** Whoever begins and does not go on holds many at a time. */
export const halfHandshakes: readonly Attack[] = attacks.map((attack) => ({ together: 200, ...attack }));

/** As long as the wait before the next byte is, it keeps a handshake under way that has no limit in all. */
const SLOW_MS = 20;
const LONG_HEADER = [`X-Long: ${'x'.repeat(8_000)}`];

async function begin(
  strike: Strike,
  open: () => Promise<Intruder | undefined>,
  words: () => Uint8Array | Promise<Uint8Array> = () => new Uint8Array(),
  everyMs = 0,
): Promise<void> {
  const intruder = await open();
  if (intruder === undefined) return;
  const outlasted = strike.outlast(intruder);
  if (everyMs > 0) await intruder.drip(await words(), everyMs);
  else await intruder.write(await words());
  await outlasted;
}

/** A beginning of it, at least one byte and not all. */
function cut({ random }: Strike, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, 1 + random.below(bytes.length - 1));
}

let hello: Promise<Uint8Array> | undefined;

/** The first words of a TLS client, as Node says them. */
export function clientHello(): Promise<Uint8Array> {
  hello ??= (async () => {
    const said = deferred<Uint8Array>();
    const nowhere = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        said.resolve(chunk);
        done();
      },
    });
    const tls = connectTls({ socket: nowhere, rejectUnauthorized: false });
    tls.on('error', () => undefined);
    const bytes = await said.promise;
    tls.destroy();
    nowhere.destroy();
    return bytes;
  })();
  return hello;
}
