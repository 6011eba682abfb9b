/**
 * The clock. Replication does not need it, but certificates have a first and a last day, and expiry of documents goes by it.
 */
import { existsSync } from 'node:fs';
import { ownPackage } from '../own-package.js';
import { firstOutput } from './programs.js';
import { ok, problem, warning, type Finding } from './finding.js';

export interface ClockFacts {
  /** In milliseconds since the epoch. */
  readonly now: number;
  readonly builtAt: number | undefined;
  /** Undefined where nobody can tell. */
  readonly synchronised: boolean | undefined;
  /** Whether a chip keeps the time while the power is off. */
  readonly hasRtc: boolean;
}

export async function checkClock(): Promise<Finding> {
  return judgeClock({
    now: Date.now(),
    builtAt: ownPackage().builtAt,
    synchronised: await isSynchronised(),
    hasRtc: existsSync('/dev/rtc0') || existsSync('/sys/class/rtc/rtc0'),
  });
}

export function judgeClock({ now, builtAt, synchronised, hasRtc }: ClockFacts): Finding {
  const time = new Date(now)
    .toISOString()
    .replace(/\.\d+Z$/, ' UTC')
    .replace('T', ' ');
  const rtc = hasRtc ? 'there is a hardware clock' : 'there is no hardware clock';
  const source = {
    true: 'synchronised',
    false: 'not synchronised',
    undefined: 'nothing here tells whether synchronised',
  };
  const found = `${time}, ${source[`${synchronised}`]}; ${rtc}.`;
  if (now < (builtAt ?? OLDEST_BUILD)) {
    const why = 'That is before this package was built: certificates will be refused as not yet valid.';
    return problem('clock', `${found} ${why}`, 'Set the clock (date -s), and run systemd-timesyncd, chrony or ntpd.');
  }
  if (synchronised === false) {
    const after = hasRtc ? '' : ' Without a hardware clock wait for it after each start (time-sync.target of systemd).';
    return warning('clock', found, `Run systemd-timesyncd, chrony or ntpd.${after}`);
  }
  return ok('clock', found);
}

/** As the kernel sees it, through whatever program is here. */
async function isSynchronised(): Promise<boolean | undefined> {
  if (existsSync('/run/systemd/timesync/synchronized')) return true;
  const systemd = /^NTPSynchronized=(yes|no)$/m.exec(
    await firstOutput('timedatectl', ['show', '-p', 'NTPSynchronized']),
  );
  if (systemd !== null) return systemd[1] === 'yes';
  const chrony = (await firstOutput('chronyc', ['-n', '-c', 'tracking'])).trim().split(',');
  if (chrony.length > 10) return chrony.at(-1) === 'Normal';
  // Of the package adjtimex it needs the option, of BusyBox it must not have one. The bit 64 is STA_UNSYNC.
  const kernel = (await firstOutput('adjtimex', ['--print'])) || (await firstOutput('adjtimex', []));
  const status = /\bstatus:\s+(\d+)/.exec(kernel)?.[1];
  return status === undefined ? undefined : (Number(status) & 64) === 0;
}

/** For sources that were not built. */
const OLDEST_BUILD = Date.UTC(2026, 0, 1);
