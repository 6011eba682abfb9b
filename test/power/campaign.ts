/**
 * Kills two devices that save and sync, at random moments, and looks at what is left (scenario 241). A *rig* is a ship that
 * replicates continuously with a shore that listens, each on a disk of its own; every rig is one of the four combinations of
 * `fullSync`. Rounds of a rig are of these kinds:
 *
 * - `kill`: both processes get SIGKILL;
 * - `cut`: the disk of one, or of both, loses its power, and its process is killed; the other one goes on. In between, the
 *   kernel may have written out what was not flushed, in part: see `wal-tail.ts`.
 *
 * After each: the databases hold what they have to (`log-book.ts`), they are sound, no blob is missing, and once both run
 * again they sync and are equal.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger, type RandomSource } from '../../src/base/index.js';
import { Database } from '../../src/database/index.js';
import { Device, type DeviceOptions } from './device.js';
import { checkBlobs } from './log-book.js';
import { PowerDisk } from './power-disk.js';
import { knownLog, tearLog, type KnownLog } from './wal-tail.js';

export interface CampaignOptions {
  readonly kills: number;
  readonly seed: number;
  /** Rounds of one rig. @default 10 */
  readonly perRig?: number;
  /** What each device saves at most in a round. @default 1,500 */
  readonly saves?: number;
  /** Told what was done in each round. */
  readonly onRound?: (line: string) => void;
}

export interface CampaignReport {
  kills: number;
  cuts: number;
  tornLogs: number;
  /** Documents whose save was acknowledged, one for each save. */
  acknowledged: number;
  /** Of them, those that a device without `fullSync` lost in a power cut: the last ones. */
  takenBack: number;
  blobs: number;
  /** On both sides, summed over the rigs. */
  equal: number;
}

/** Both ways in both modes. */
const MODES = [
  [true, false],
  [false, true],
  [false, false],
  [true, true],
] as const;

export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const { kills, seed, perRig = 10, saves = 1_500, onRound } = options;
  const report = { kills: 0, cuts: 0, tornLogs: 0, acknowledged: 0, takenBack: 0, blobs: 0, equal: 0 };
  const random = seededRandom(seed);
  for (let rig = 0; report.kills + report.cuts < kills; rig++) {
    const modes = MODES[rig % MODES.length] ?? MODES[0];
    const rounds = Math.min(perRig, kills - report.kills - report.cuts);
    await new Rig({ number: rig, random, saves, onRound, report }).run(modes, rounds).catch((cause: unknown) => {
      throw new Error(`seed ${seed}, rig ${rig}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    });
  }
  return report;
}

interface RigOptions {
  readonly number: number;
  readonly random: RandomSource;
  readonly saves: number;
  readonly onRound: ((line: string) => void) | undefined;
  readonly report: CampaignReport;
}

class PoweredDevice extends Device {
  readonly disk: PowerDisk;

  constructor(disk: PowerDisk, options: Omit<DeviceOptions, 'parent'>) {
    super({ ...options, parent: disk.path });
    this.disk = disk;
  }
}

class Rig {
  readonly #options: RigOptions;
  #devices: readonly PoweredDevice[] = [];
  #port = '0';

  constructor(options: RigOptions) {
    this.#options = options;
  }

  async run([shipFull, shoreFull]: readonly [boolean, boolean], rounds: number): Promise<void> {
    const disks: PowerDisk[] = [];
    try {
      disks.push(await PowerDisk.make(), await PowerDisk.make());
      const [shipDisk, shoreDisk] = disks as [PowerDisk, PowerDisk];
      const shore = new PoweredDevice(shoreDisk, { name: 'shore', fullSync: shoreFull, role: 'listen' });
      const ship = new PoweredDevice(shipDisk, { name: 'ship', fullSync: shipFull, role: 'replicate' });
      this.#devices = [shore, ship];
      for (let round = 0; round < rounds; round++) await this.#round(round, shore, ship);
      await this.#start();
      this.#options.report.equal += await this.#settle(shore, ship);
      for (const { book } of this.#devices) {
        this.#options.report.acknowledged += book.acknowledged;
        this.#options.report.takenBack += book.lost;
      }
    } finally {
      for (const device of this.#devices) await device.kill();
      for (const disk of disks) await disk.remove();
    }
  }

  async #round(round: number, shore: PoweredDevice, ship: PoweredDevice): Promise<void> {
    const { random, report, saves, number, onRound } = this.#options;
    const done: string[] = [];
    try {
      await this.#start();
      await this.#settle(shore, ship);
      const known = new Map<PoweredDevice, KnownLog | undefined>();
      const size = random.next() < 0.15 ? 20_000 : 600;
      const writers = random.next() < 0.7 ? [shore, ship] : [random.next() < 0.5 ? shore : ship];
      for (const device of writers)
        device.tell(`write ${round} ${Math.floor(random.next() * 2 ** 32)} ${size} ${saves}`);

      const kind = random.next();
      const victims = kind < 0.35 ? this.#devices : kind < 0.6 ? [ship] : kind < 0.85 ? [shore] : [shore, ship];
      const isCut = kind >= 0.35;
      const flushAfter = isCut && random.next() < 0.4 ? Math.ceil((random.next() * saves) / 10) : undefined;
      if (flushAfter !== undefined) {
        await writers[0]?.saved(flushAfter);
        for (const victim of victims) {
          const flushed = victim.book.aboutToFlush();
          await victim.disk.flush();
          flushed();
          known.set(victim, await knownLog(victim.log));
          done.push(`${victim.name} flushed`);
        }
      }
      await writers[0]?.saved((flushAfter ?? 0) + Math.ceil((random.next() ** 2 * saves) / 4));
      for (let turns = Math.floor(random.next() * 50); turns > 0; turns--) await turnOfEventLoop();
      for (const victim of victims) {
        if (!isCut) continue;
        // The kernel may have written all of it, or some, without having told the disk to flush.
        const isWritten = random.next() < 0.5;
        if (isWritten) await victim.disk.flush();
        await victim.disk.cut(() => victim.book.cut());
        done.push(`${victim.name}'s power cut${isWritten ? ' just after it was written' : ''}`);
      }
      for (const victim of victims) await victim.kill();
      for (const device of this.#devices) if (device.isRunning) await device.ask('halt', /^halted$/);
      if (isCut) report.cuts++;
      else report.kills++;
      if (!isCut) done.push('both killed');
      for (const victim of victims) {
        if (isCut) {
          await victim.disk.restore();
          const torn = random.next() < 0.7 ? await tearLog(victim.log, victim.fullSync, known.get(victim), random) : '';
          if (torn) report.tornLogs++;
          if (torn) done.push(`${victim.name}'s log: ${torn}`);
        }
        const before = victim.book.lost;
        await this.#check(victim, isCut && !victim.fullSync, random.next() < 0.5);
        if (victim.book.lost > before) done.push(`${victim.name} without its last ${victim.book.lost - before}`);
      }
      for (const device of this.#devices) {
        if (!isCut) assert.deepEqual([...device.refusals], [], `${device.name}: saves that were refused`);
        device.refusals.clear();
      }
      onRound?.(`rig ${number}, round ${round}: ${done.join('; ')}`);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const modes = this.#devices.map(({ name, fullSync }) => `${name} ${fullSync ? 'FULL' : 'NORMAL'}`).join(', ');
      throw new Error(`round ${round} (${modes}; ${done.join('; ')}): ${message}`, { cause });
    }
  }

  /** Starts whoever does not run. */
  async #start(): Promise<void> {
    const [shore, ship] = this.#devices as [PoweredDevice, PoweredDevice];
    if (!shore.isRunning) this.#port = await shore.start(this.#port);
    if (!ship.isRunning) await ship.start(this.#port);
  }

  /** Looks at the database of a device that does not run: in its place, or at a copy, so that its log stays as it is. */
  async #check(device: PoweredDevice, mayLose: boolean, inPlace: boolean): Promise<void> {
    const copy = inPlace ? undefined : await mkdtemp(join(tmpdir(), 'hawser-power-copy-'));
    if (copy !== undefined) await cp(device.folder, copy, { recursive: true });
    try {
      const database = await Database.open(copy ?? device.folder, { logger: silentLogger });
      try {
        assert.deepEqual(await database.integrityCheck(), [], `${device.name}: integrityCheck`);
        await device.book.check(database, mayLose);
        this.#options.report.blobs += await checkBlobs(database);
      } finally {
        await database.close();
      }
    } finally {
      if (copy !== undefined) await rm(copy, { recursive: true, force: true });
    }
  }

  /** Syncs to the end. Resolves to the number of documents that both have then. */
  async #settle(shore: PoweredDevice, ship: PoweredDevice): Promise<number> {
    const [said] = await ship.ask('settle', /^(settled|unsettled .*)$/);
    assert.equal(said, 'settled', `${ship.name} says`);
    const [onShore, onShip] = await Promise.all(
      [shore, ship].map((device) => device.ask('contents', /^contents (\d+) \w+$/)),
    );
    assert.equal(onShip?.[0], onShore?.[0], 'ship and shore are not equal after a sync');
    return Number(onShip?.[1] ?? 0);
  }
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
