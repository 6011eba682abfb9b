/** Attackers who were let in and break the rules of BLIP, or use them to make us hold more than they send. */
import type { Attack, Strike } from './attack.js';
import { BlipForger, bomb, honestFrames, properties, type ForgedFrame } from './blip-forger.js';
import { noise, spoil } from './refused-requests.js';
import { clientFrame } from './web-socket-wire.js';

const MIB = 1024 * 1024;

export const blipAttacks: readonly Attack[] = [
  {
    name: 'sends what is no BLIP frame',
    go: (strike) => sendRaw(strike, [noise(strike, 2_000), noise(strike, 20), NO_FRAME]),
  },
  {
    name: 'spoils BLIP frames',
    go: (strike) => sendRaw(strike, [...honestFrames().map((frame) => spoil(strike, frame, 2)), NO_FRAME]),
  },
  {
    name: 'sends BLIP frames in another order',
    go: (strike) => sendRaw(strike, [...shuffled(strike, honestFrames()), NO_FRAME]),
  },
  {
    name: 'answers what nobody asked, and acknowledges what nobody sent',
    reasons: ['BLIP_RESPONSE_UNEXPECTED'],
    go: (strike) =>
      send(strike, [
        { type: 'ack', number: 1, acknowledged: 1_000_000 },
        { type: 'ack', number: 2 ** 50, acknowledged: 2 ** 52 },
        { type: 'response', number: 1 + strike.random.below(5), payload: properties() },
      ]),
  },
  {
    name: 'sends a deflate bomb',
    reasons: ['BLIP_INFLATED_TOO_LARGE'],
    count: 20,
    together: 5,
    perSecond: 5,
    go: (strike) => send(strike, [{ deflated: bomb(64 * MIB) }]),
  },
  {
    name: 'sends many small deflate bombs as one message',
    reasons: ['BLIP_MESSAGE_TOO_LARGE'],
    count: 4,
    together: 2,
    perSecond: 1,
    go: (strike) =>
      send(
        strike,
        Array.from({ length: 12 }, () => ({ deflated: bomb(8 * MIB), more: true })),
      ),
  },
  {
    name: 'sends small deflate bombs as many messages',
    reasons: ['BLIP_BUFFER_FULL'],
    count: 4,
    together: 2,
    perSecond: 1,
    go: (strike) =>
      send(
        strike,
        Array.from({ length: 40 }, (_, index) => ({ number: index + 1, deflated: bomb(2 * MIB), more: true })),
      ),
  },
  {
    name: 'sends properties that are none',
    reasons: ['BLIP_PROPERTIES_INVALID', 'BLIP_PROPERTIES_TOO_LARGE'],
    go: (strike) => send(strike, strike.random.pick(PROPERTIES)),
  },
  {
    name: 'begins messages and ends none',
    reasons: ['BLIP_TOO_MANY_REQUESTS'],
    count: 20,
    together: 5,
    perSecond: 10,
    go: (strike) =>
      send(
        strike,
        Array.from({ length: 1_100 }, (_, index) => ({
          number: index + 1,
          payload: properties('Profile', 'rev'),
          more: true,
        })),
      ),
  },
  {
    name: 'has us hold as much as one connection may, and waits',
    endless: true,
    count: 5,
    together: 5,
    go: async (strike) => {
      const intruder = await strike.enter();
      if (intruder === undefined) return;
      const outlasted = strike.outlast(intruder);
      const forger = new BlipForger();
      // A thousandth of that on the wire. Below every limit, so it stays for as long as the connection.
      for (let number = 1; number <= 7 && !intruder.isOver; number++) {
        await intruder.write(clientFrame(forger.frame({ number, deflated: bomb(MIB), more: true })));
      }
      await outlasted;
    },
  },
  {
    name: 'says one message byte by byte',
    endless: true,
    count: 40,
    go: async (strike) => {
      const intruder = await strike.enter();
      if (intruder === undefined) return;
      const outlasted = strike.outlast(intruder);
      const forger = new BlipForger();
      await intruder.write(clientFrame(forger.frame({ payload: properties('Profile', 'rev'), more: true })));
      while (!intruder.isOver) {
        await intruder.drip(clientFrame(forger.frame({ payload: Buffer.from('{'), more: true })), 10);
      }
      await outlasted;
    },
  },
];

/** Of a type that is not defined. */
const NO_FRAME = Uint8Array.of(1, 7, 0, 0, 0, 0);

const PROPERTIES: readonly (readonly ForgedFrame[])[] = [
  [{ payload: Buffer.from('ffffffffffffff0f50726f66696c6500726576', 'hex') }],
  [{ payload: properties('Profile', 'x'.repeat(200_000)) }],
  [{ payload: Buffer.from([200, 1, 65, 66]) }],
  [{ payload: Buffer.from([4, 0xff, 0xfe, 0, 0]) }],
  [{ payload: Buffer.from([3, 65, 66, 67]) }],
  [
    { payload: Buffer.concat([Buffer.from([0xc0, 0x84, 0x3d]), Buffer.alloc(60_000, 'p')]), more: true },
    ...Array.from({ length: 20 }, () => ({ payload: Buffer.alloc(60_000, 'p'), more: true })),
  ],
];

function shuffled<T>({ random }: Strike, list: readonly T[]): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(random.below(rest.length), 1)[0] as T);
}

/** Frames that are in order but for what they say. What the listener puts up with is followed by what it cannot. */
async function send(strike: Strike, frames: readonly ForgedFrame[]): Promise<void> {
  const forger = new BlipForger();
  await sendRaw(
    strike,
    (function* () {
      for (const frame of frames) yield forger.frame(frame);
      yield NO_FRAME;
    })(),
  );
}

async function sendRaw(strike: Strike, frames: Iterable<Uint8Array>): Promise<void> {
  const intruder = await strike.enter();
  if (intruder === undefined) return;
  const outlasted = strike.outlast(intruder);
  let unsent: Uint8Array[] = [];
  for (const frame of frames) {
    if (intruder.isOver) break;
    unsent.push(clientFrame(frame));
    if (unsent.length < 50) continue;
    await intruder.write(Buffer.concat(unsent));
    unsent = [];
  }
  await intruder.write(Buffer.concat(unsent));
  await outlasted;
}
