/** Whatever attackers do to a listener, the honest client beside them goes on, and every connection of theirs is accounted for. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { ClientCertificateAuthenticator, ListenerCertificateAuthenticator, TLSIdentity } from '../../src/index.js';
import { assault, type Tally } from './assault.js';
import type { Attack, Defence } from './attack.js';
import { attacks } from './attacks.js';
import { makeCertificates } from './certificates.js';
import { record, replay } from './recording.js';
import { Siege, type SiegeOptions } from './siege.js';

/** Of one test. */
const LIMIT = { timeout: 120_000 };
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_301);
/** How many connections of an attack there are here at the most: enough to meet every limit that they can. */
const COUNT = 30;

/** One attack against a listener; all goes come from these addresses. */
type Assailant = readonly [attack: Attack, addresses: readonly string[], count: number];

/** Carries the attacks out, all at once, while the honest client works, until all have done enough. */
async function attackDuringRounds(siege: Siege, assailants: readonly Assailant[]) {
  const enough = new AbortController();
  let isOver = false;
  const begun = assailants.map(async ([attack, addresses, count], index) => {
    const options = { target: siege.target, addresses, count, signal: enough.signal };
    return [addresses, await assault(attack, { ...options, seed: SEED + index })] as const;
  });
  const ending = begun.filter((_, index) => assailants[index]?.[0].endless !== true);
  const ended = Promise.all(ending).finally(() => (isOver = true));
  let rounds = 0;
  while (rounds < 2 || !isOver) {
    await siege.round();
    rounds++;
  }
  await ended;
  enough.abort(); // those that a listener puts up with
  return Promise.all(begun);
}

async function survive(context: TestContext, attack: Attack, options: SiegeOptions = {}): Promise<void> {
  const siege = await Siege.begin(context, options);
  const tallies = await attackDuringRounds(siege, [[attack, ['127.0.0.2'], Math.min(attack.count ?? COUNT, COUNT)]]);
  for (const [, tally] of tallies) assertAttacked(tally);
  if (attack.reasons !== undefined) siege.assertReasons(attack.reasons);
  await siege.end(tallies);
}

function assertAttacked(tally: Tally): void {
  assert.ok(tally.opened > 0, 'the attack did not take place');
}

function against(...defences: readonly Defence[]): Attack[] {
  return attacks.filter(({ against: needed }) => needed === undefined || defences.includes(needed));
}

/** A listener that asks for certificates; attackers have one of an account, and others. */
async function withCertificates(): Promise<SiegeOptions> {
  const { root, honest, mallory, wrong } = await makeCertificates();
  const identity = TLSIdentity.fromPem(honest.key + honest.cert);
  return {
    authenticator: new ListenerCertificateAuthenticator([new X509Certificate(root)]),
    client: { authenticator: new ClientCertificateAuthenticator(identity) },
    target: { certificate: mallory, wrongCertificates: wrong },
  };
}

describe(`an honest client goes on beside an attacker who, seed ${SEED},`, () => {
  for (const attack of against('tls', 'password')) it(attack.name, LIMIT, (context) => survive(context, attack));

  for (const attack of attacks.filter(({ against: needed }) => needed === 'certificates')) {
    it(attack.name, LIMIT, async (context) => survive(context, attack, await withCertificates()));
  }

  for (const disableTLS of [true, false]) {
    it(`says again what another client said, over ${disableTLS ? 'ws' : 'wss'}`, LIMIT, async (context) => {
      const siege = await Siege.begin(context, { disableTLS });
      const attack = replay(await record(siege.target));
      const tallies = await attackDuringRounds(siege, [[attack, ['127.0.0.2'], COUNT]]);
      const [[, { lastWords }] = assert.fail()] = tallies;
      if (!disableTLS) assert.deepEqual(Object.keys(lastWords), [''], 'TLS let somebody in');
      await siege.end(tallies);
    });
  }

  it('comes from its own address', LIMIT, async (context) => {
    const attack = attacks.find(({ name }) => name === 'connects and says nothing') ?? assert.fail();
    const siege = await Siege.begin(context);
    const tallies = await attackDuringRounds(siege, [[attack, ['127.0.0.1'], 100]]);
    await siege.end(tallies);
  });
});

describe(`an honest client goes on, and another comes in, beside all attackers at once, seed ${SEED},`, () => {
  const spread = (list: readonly Attack[]): Assailant[] =>
    list.map((attack, index) => [attack, addresses(index), Math.min(attack.count ?? COUNT, 6)]);

  it('with passwords', LIMIT, async (context) => {
    const siege = await Siege.begin(context);
    const tallies = attackDuringRounds(siege, spread(against('tls', 'password')));
    await siege.welcome();
    await siege.end(await tallies);
  });

  it('with certificates', LIMIT, async (context) => {
    const siege = await Siege.begin(context, await withCertificates());
    const tallies = attackDuringRounds(siege, spread(against('tls', 'certificates')));
    await siege.welcome();
    await siege.end(await tallies);
  });
});

/** Ten addresses of an attack's own: all of 127.0.0.0/8 is this machine. */
function addresses(index: number): string[] {
  return Array.from({ length: 10 }, (_, last) => `127.0.${index + 1}.${last + 1}`);
}
