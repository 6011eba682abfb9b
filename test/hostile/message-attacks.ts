/** Attackers who were let in, keep to WebSocket and BLIP, and say what nobody says: too much, the wrong thing, at the wrong time. */
import { deferred } from '../../src/base/index.js';
import type { RawBlipPeer } from '../support/raw-blip-peer.js';
import type { Attack, Strike } from './attack.js';
import { speakBlip } from './intruder-medium.js';

type Send = (raw: RawBlipPeer, number: number, strike: Strike) => Promise<unknown>;

export const messageAttacks: readonly Attack[] = [
  {
    name: 'asks for checkpoints without end',
    ...few(200),
    go: (strike) =>
      flood(strike, (raw, number) => raw.request({ Profile: 'getCheckpoint', ...C0, client: `c${number}` })),
  },
  {
    name: 'saves checkpoints without end',
    ...few(20),
    go: (strike) =>
      flood(strike, (raw, number) =>
        raw.request({ Profile: 'setCheckpoint', ...C0, client: `mallory-${number % 20}`, rev: '' }, '{"local":1}'),
      ),
  },
  {
    name: 'announces what it never sends',
    ...few(20),
    go: (strike) =>
      flood(strike, (raw, number) =>
        raw.request({ Profile: number % 2 === 0 ? 'changes' : 'proposeChanges', ...C0 }, announcement(number)),
      ),
  },
  {
    name: 'sends revisions that conflict',
    ...few(20),
    go: (strike) =>
      flood(strike, (raw, number, { random }) => {
        const rev = `${1 + (number % 3)}-${random.pick(['aa', 'bb', 'cc'])}`;
        return raw.request(
          { Profile: 'rev', ...C0, id: `mallory-${number % 30}`, rev, noconflicts: '1' },
          `{"n":${number}}`,
        );
      }),
  },
  {
    name: 'sends JSON that is hard to read',
    ...few(10),
    perSecond: 20,
    go: (strike) =>
      flood(
        strike,
        (raw, number, { random }) => {
          const body = random.pick(jsonBombs());
          return random.below(2) === 0
            ? raw.request({ Profile: 'rev', ...C0, id: `bomb-${number % 30}`, rev: '1-aa' }, body)
            : raw.request({ Profile: random.pick(LISTS), ...C0, client: 'bomb' }, body);
        },
        4,
      ),
  },
  {
    name: 'says all in the wrong order, and spoilt',
    ...few(30),
    go: (strike) =>
      flood(strike, (raw, number, { random }) => {
        const { properties, body } = random.message(random.pick(MESSAGES));
        return raw.request({ ...properties, Profile: random.pick(PROFILES) }, body);
      }),
  },
  {
    name: 'asks for all documents and does not listen',
    endless: true,
    together: 10,
    count: 10,
    go: async (strike) => {
      const raw = await meet(strike);
      if (raw === undefined) return;
      raw.pause = deferred().promise;
      for (let number = 0; number < 200 && !raw.isOver; number++) {
        raw.notify({ Profile: 'subChanges', ...C0, since: '0', continuous: 'true' });
        void raw.request({ Profile: 'getCheckpoint', ...C0, client: 'x'.repeat(1_000) }).catch(() => undefined);
        if (number % 50 === 0) await nextTurn();
      }
      await raw.ended;
    },
  },
  {
    name: 'asks for all documents and takes none',
    endless: true,
    together: 10,
    count: 10,
    go: async (strike) => {
      const raw = await meet(strike);
      if (raw === undefined) return;
      await raw.request({ Profile: 'subChanges', ...C0, since: '0', continuous: 'true' }).catch(() => undefined);
      await raw.ended; // no answer to `changes`, ever
    },
  },
];

const C0 = { collection: '0' };
const LISTS = ['changes', 'proposeChanges', 'getCollections', 'setCheckpoint', 'subChanges'];
const PROFILES = [
  'getCollections',
  'getCheckpoint',
  'setCheckpoint',
  'subChanges',
  'changes',
  'proposeChanges',
  'rev',
  'norev',
  'getAttachment',
  'proveAttachment',
  'x',
];

const MESSAGES = [
  { properties: C0, body: '{"collections":["metrics"],"checkpoint_ids":["cp-a"]}' },
  { properties: { ...C0, client: 'mallory' }, body: '{"time":1,"local":5,"remote":"5::42"}' },
  { properties: { ...C0, since: '0', batch: '200' }, body: '{"docIDs":["d1","d2"]}' },
  { properties: C0, body: '[[5,"mallory-5","2-bb",1,29],["7::5","e","1-aa"],["mallory-6","2-bb","1-aa",29]]' },
  {
    properties: { ...C0, id: 'mallory-7', rev: '2-bb', sequence: '7', history: '1-aa' },
    body: '{"n":1,"list":[1.0,{}]}',
  },
  { properties: { ...C0, digest: 'sha1-x=', docID: 'mallory-7' }, body: '' },
];

/** How often an attack is carried out; each go sends as many messages as {@link flood} says, or `perGo`. */
function few(count: number): { readonly count: number; readonly together: number; readonly perSecond: number } {
  return { count, together: 10, perSecond: 20 };
}

/** Comes in, says which collections, and speaks BLIP from then on. */
async function meet(strike: Strike): Promise<RawBlipPeer | undefined> {
  const intruder = await strike.enter();
  if (intruder === undefined) return undefined;
  const raw = await speakBlip(intruder);
  void strike.outlast(intruder);
  const hello = raw.request(
    { Profile: 'getCollections' },
    '{"collections":["metrics"],"checkpoint_ids":["cp-hostile"]}',
  );
  await hello.catch(() => undefined);
  return raw;
}

/** Messages as fast as they are answered, ten at a time; then it leaves as a WebSocket does. */
async function flood(strike: Strike, send: Send, messages = 40): Promise<void> {
  const raw = await meet(strike);
  if (raw === undefined) return;
  for (let number = strike.random.below(1_000), sent = 0; sent < messages && !raw.isOver; sent += 10) {
    const ten = Array.from({ length: Math.min(10, messages) }, () => send(raw, number++, strike));
    await Promise.race([Promise.allSettled(ten), raw.ended]);
  }
  await raw.leave();
}

function announcement(number: number): string {
  const first = number * 200;
  if (number % 2 === 0) {
    return JSON.stringify(Array.from({ length: 200 }, (_, index) => [index + 1, `unknown-${first + index}`, '1-aa']));
  }
  return JSON.stringify(Array.from({ length: 200 }, (_, index) => [`unknown-${first + index}`, '1-aa']));
}

let bombs: readonly string[] | undefined;

/** Short to say and long to read. */
function jsonBombs(): readonly string[] {
  bombs ??= [
    '['.repeat(100_000),
    `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    `{"n":${'9'.repeat(500_000)}}`,
    `{"n":1e${'9'.repeat(1_000)}}`,
    `{"n":0.${'1'.repeat(200_000)}e-${'9'.repeat(20)}}`,
    `[${'1,'.repeat(300_000)}1]`,
    `[${'[],'.repeat(300_000)}[]]`,
    `[${'["d","1-aa"],'.repeat(60_000)}["d","1-aa"]]`,
    `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":0`).join(',')}}`,
    `{${'"a":1,'.repeat(100_000)}"a":1}`,
    `{"text":"${'\\u0000'.repeat(100_000)}"}`,
    `{"text":"${'\\ud800'.repeat(100_000)}"}`,
    ' '.repeat(900_000),
  ];
  return bombs;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
