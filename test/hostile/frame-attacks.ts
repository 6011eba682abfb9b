/** Attackers who were let in and break the rules of WebSocket, or keep to them to no good end. */
import type { Attack, Strike } from './attack.js';
import type { Intruder } from './intruder.js';
import { upgradeRequest } from './intruder.js';
import { noise, spoil } from './refused-requests.js';
import { clientFrame } from './web-socket-wire.js';

const EMPTY = new Uint8Array();

export const frameAttacks: readonly Attack[] = [
  {
    name: 'sends what is no WebSocket frame',
    reasons: ['CONNECTION_PROTOCOL_ERROR'],
    go: (strike) => send(strike, () => noise(strike, 3_000)),
  },
  {
    name: 'breaks the rules of WebSocket',
    reasons: ['CONNECTION_PROTOCOL_ERROR', 'CONNECTION_MESSAGE_TOO_LARGE'],
    go: (strike) => send(strike, () => strike.random.pick(BREACHES)),
  },
  {
    name: 'spoils its frames',
    go: (strike) =>
      send(strike, () =>
        spoil(strike, Buffer.concat([clientFrame(noise(strike, 200)), clientFrame(noise(strike, 90_000))]), 8),
      ),
  },
  {
    name: 'sends messages above the limit',
    reasons: ['CONNECTION_MESSAGE_TOO_LARGE'],
    count: 40,
    together: 10,
    perSecond: 30,
    go: (strike) => send(strike, () => strike.random.pick(TOO_LARGE)),
  },
  {
    name: 'offers to deflate, and does so unasked',
    reasons: ['CONNECTION_PROTOCOL_ERROR'],
    go: async (strike) => {
      const intruder = await strike.secure();
      if (intruder === undefined) return;
      const offer = ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=8'];
      if ((await intruder.upgrade(upgradeRequest(strike.target, offer))) === 101) {
        await intruder.write(clientFrame(noise(strike, 500), { reserved: 4 }));
      }
      await strike.outlast(intruder);
    },
  },
  {
    name: 'asks without end whether we are there, and does not listen',
    together: 10,
    count: 10,
    go: (strike) =>
      keepOn(strike, PINGS, (intruder) => {
        intruder.stopReading();
      }),
  },
  {
    name: 'asks without end whether we are there',
    endless: true,
    together: 10,
    count: 10,
    go: (strike) => keepOn(strike, PINGS),
  },
  {
    name: 'cuts a message into pieces without end',
    reasons: ['CONNECTION_PROTOCOL_ERROR'],
    together: 10,
    count: 20,
    perSecond: 5,
    go: (strike) =>
      keepOn(
        strike,
        Buffer.concat(Array.from({ length: 2_000 }, () => clientFrame(Buffer.from('x'), CONTINUED))),
        (intruder) => intruder.write(clientFrame(EMPTY, { fin: false })),
      ),
  },
  {
    name: 'cuts a message into empty pieces without end',
    reasons: ['CONNECTION_PROTOCOL_ERROR'],
    together: 10,
    count: 20,
    perSecond: 5,
    go: (strike) =>
      keepOn(strike, Buffer.concat(Array.from({ length: 2_000 }, () => clientFrame(EMPTY, CONTINUED))), (intruder) =>
        intruder.write(clientFrame(EMPTY, { fin: false })),
      ),
  },
  {
    name: 'sends a frame byte by byte',
    endless: true,
    count: 40,
    go: async (strike) => {
      const intruder = await strike.enter();
      if (intruder === undefined) return;
      await Promise.all([strike.outlast(intruder), intruder.drip(clientFrame(noise(strike, 60_000)), 20)]);
    },
  },
  {
    name: 'comes in and is gone',
    count: 200,
    perSecond: 100,
    go: async (strike) => (await strike.enter())?.leave(strike.random.below(2) === 0),
  },
  {
    name: 'comes in and says nothing',
    endless: true,
    count: 60,
    together: 60,
    go: async (strike) => {
      const intruder = await strike.enter();
      if (intruder !== undefined) await strike.outlast(intruder);
    },
  },
];

const CONTINUED = { opcode: 0, fin: false };
const PINGS = Buffer.concat(Array.from({ length: 500 }, () => clientFrame(Buffer.alloc(125, 'p'), { opcode: 9 })));

const BREACHES: readonly Uint8Array[] = [
  clientFrame(Buffer.from('x'), { masked: false }),
  clientFrame(Buffer.from('x'), { reserved: 1 }),
  clientFrame(Buffer.from('x'), { reserved: 2 }),
  clientFrame(Buffer.from('x'), { opcode: 3 }),
  clientFrame(Buffer.from('x'), { opcode: 15 }),
  clientFrame(Buffer.from('x'), { opcode: 0 }),
  clientFrame(Buffer.alloc(200), { opcode: 9 }),
  clientFrame(Buffer.from('x'), { opcode: 9, fin: false }),
  clientFrame(Buffer.from('x'), { opcode: 8 }),
  clientFrame(Buffer.from([0, 1]), { opcode: 8 }),
  clientFrame(Buffer.from([3, 236, 255]), { opcode: 8 }),
  Buffer.concat([clientFrame(Buffer.from('x'), { fin: false }), clientFrame(Buffer.from('y'))]),
  clientFrame(EMPTY, { claimedLength: Number.MAX_SAFE_INTEGER }),
];

const TOO_LARGE: readonly Uint8Array[] = [
  clientFrame(Buffer.alloc(1_048_577)),
  clientFrame(Buffer.alloc(1_000), { claimedLength: 2 ** 40 }),
  Buffer.concat([
    clientFrame(Buffer.alloc(600_000), { fin: false }),
    clientFrame(Buffer.alloc(600_000), { opcode: 0 }),
  ]),
];

/** Says it after it was let in, and waits for the end. What happens to be in order, is followed by what is not. */
async function send(strike: Strike, words: () => Uint8Array): Promise<void> {
  const intruder = await strike.enter();
  if (intruder === undefined) return;
  const outlasted = strike.outlast(intruder);
  await intruder.write(words());
  await intruder.write(clientFrame(EMPTY, { opcode: 5 }));
  // A frame that was spoilt into a longer one swallows what follows; whoever hangs up then has lied about its length.
  intruder.socket.end();
  await outlasted;
}

/** Says the same for ever. */
async function keepOn(
  strike: Strike,
  words: Uint8Array,
  first: (intruder: Intruder) => unknown = () => undefined,
): Promise<void> {
  const intruder = await strike.enter();
  if (intruder === undefined) return;
  const outlasted = strike.outlast(intruder);
  await first(intruder);
  while (!intruder.isOver) {
    await intruder.write(words);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await outlasted;
}
