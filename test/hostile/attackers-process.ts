/** The attackers of `npm run hostile`, all in one process, which says how much of the processor they took themselves. */
import { assault, type Tally } from './assault.js';
import type { Attack } from './attack.js';
import { attacks } from './attacks.js';
import type { Target } from './intruder.js';
import { record, replay } from './recording.js';

/** What the attackers are told to do. Plain data. */
export interface AttackOrder {
  readonly targets: Readonly<Record<'password' | 'certificates', Target>>;
  /** Names of attacks, and how much of its rate and crowd each of them has. */
  readonly names: readonly string[];
  readonly share: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface AttackReport {
  readonly tallies: readonly (readonly [addresses: readonly string[], tally: Tally])[];
  readonly cpuMicroseconds: number;
}

let replays: Attack | undefined;

async function attack({ targets, names, share, seconds, seed }: AttackOrder): Promise<AttackReport> {
  replays ??= replay(await record(targets.password));
  const all = [...attacks, replays];
  const cpu = process.cpuUsage();
  const enough = AbortSignal.timeout(Math.round(seconds * 1_000));
  const tallies = await Promise.all(
    names.map(async (name) => {
      const index = all.findIndex((candidate) => candidate.name === name);
      const chosen = all[index];
      if (chosen === undefined) throw new Error(`there is no attack "${name}"`);
      const target = targets[chosen.against === 'certificates' ? 'certificates' : 'password'];
      const addresses = Array.from({ length: 20 }, (_, last) => `127.0.${index + 1}.${last + 1}`);
      const perSecond = chosen.perSecond ?? 200;
      const options = { target, addresses, seed: seed + index, perSecond, share, signal: enough };
      return [addresses, await assault(chosen, options)] as const;
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return { tallies, cpuMicroseconds: user + system };
}

process.on('message', (order: AttackOrder) => {
  attack(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error instanceof Error ? error.stack : error) }),
  );
});
process.on('disconnect', () => process.exit());
