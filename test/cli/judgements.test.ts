/** What the doctor makes of facts that cannot be had on every machine. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeBroker } from '../../cli/doctor/broker.js';
import { judgeClock, type ClockFacts } from '../../cli/doctor/clock.js';
import { judgeFolder, type FolderFacts } from '../../cli/doctor/file-system.js';
import type { Finding } from '../../cli/doctor/finding.js';
import { judgeFlushing } from '../../cli/doctor/flushing.js';
import { judgeMachine } from '../../cli/doctor/machine.js';
import { judgeMemory, type MemoryFacts } from '../../cli/doctor/memory.js';
import { mountOf } from '../../cli/doctor/mounts.js';
import { judgeNode } from '../../cli/doctor/node.js';
import { isWithin } from '../../cli/doctor/packages.js';
import { asText, summary } from '../../cli/doctor/report.js';
import { judgeSerialDevice } from '../../cli/doctor/serial-devices.js';
import { judgeOpening } from '../../cli/doctor/serial-port.js';
import { judgeSqlite, type BuildTools } from '../../cli/doctor/sqlite.js';

function is(finding: Finding, verdict: Finding['verdict'], found: RegExp, remedy?: RegExp): void {
  assert.equal(finding.verdict, verdict, finding.found);
  assert.match(finding.found, found);
  if (remedy === undefined) assert.equal(finding.remedy, undefined);
  else assert.match(finding.remedy ?? '', remedy);
}

test('a version of Node', () => {
  is(judgeNode('20.17.0'), 'ok', /^Node 20\.17\.0; hawser needs 20\.17 or later\.$/);
  is(judgeNode('24.1.0'), 'ok', /^Node 24/);
  is(judgeNode('22.12.0'), 'warning', /hidden before 22\.13/, /22\.13/);
  is(judgeNode('23.4.0'), 'warning', /Odd versions/, /24/);
});

test('a machine', () => {
  const pi = { arch: 'arm', armVersion: '7', machine: 'aarch64', cores: 4, kernel: '6.6.31', glibc: '2.36' };
  is(
    judgeMachine(pi),
    'ok',
    /^Linux 6\.6\.31 on armv7, 4 cores, glibc 2\.36\. The kernel has 64 bits, this Node has 32\.$/,
  );
  const router = {
    arch: 'arm64',
    armVersion: undefined,
    machine: 'aarch64',
    cores: 1,
    kernel: '6.6',
    glibc: undefined,
  };
  is(judgeMachine(router), 'ok', /on arm64, 1 core, musl\.$/);
});

describe('memory', () => {
  const MiB = 2 ** 20;
  const facts = (some: Partial<MemoryFacts>): MemoryFacts => ({
    ...{ total: 4_096 * MiB, available: 3_000 * MiB, limit: undefined, swap: 0, zram: false, arenas: undefined },
    ...some,
  });
  test('in plenty', () => is(judgeMemory(facts({})), 'ok', /^4096 MiB, 3000 MiB available, no swap\.$/));
  test('of a small device comes with flags', () => {
    const small = facts({ total: 426 * MiB, available: 300 * MiB, swap: 100 * MiB, zram: true });
    is(
      judgeMemory(small),
      'ok',
      /100 MiB of swap, compressed in memory \(zram\).*--max-semi-space-size=1, with MALLOC_ARENA_MAX=2/,
    );
    assert.doesNotMatch(judgeMemory({ ...small, arenas: '2' }).found, /MALLOC/);
  });
  test('that is used up', () =>
    is(
      judgeMemory(facts({ total: 256 * MiB, available: 90 * MiB })),
      'warning',
      /90 MiB available/,
      /^End other.*zram/,
    ));
  test('that the control group keeps from it', () =>
    is(judgeMemory(facts({ limit: 64 * MiB })), 'warning', /control group .* 64 MiB/, /^Raise memory\.max/));
});

describe('a clock', () => {
  const facts = (some: Partial<ClockFacts>): ClockFacts => ({
    ...{ now: Date.UTC(2027, 1, 3, 4, 5, 6), builtAt: Date.UTC(2027, 0, 1), synchronised: true, hasRtc: true },
    ...some,
  });
  test('that goes right', () =>
    is(judgeClock(facts({})), 'ok', /^2027-02-03 04:05:06 UTC, synchronised; there is a hardware clock\.$/));
  test('of which nobody knows', () =>
    is(judgeClock(facts({ synchronised: undefined, hasRtc: false })), 'ok', /nothing here tells.*no hardware clock/));
  test('that nobody sets', () => {
    is(judgeClock(facts({ synchronised: false })), 'warning', /not synchronised/, /chrony or ntpd\.$/);
    is(judgeClock(facts({ synchronised: false, hasRtc: false })), 'warning', /not sync/, /time-sync\.target/);
  });
  test('that was never set', () => {
    is(judgeClock(facts({ now: 1_000 })), 'problem', /^1970-.*before this package was built/, /Set the clock/);
    is(judgeClock(facts({ now: 1_000, builtAt: undefined })), 'problem', /^1970-/, /Set the clock/);
    is(judgeClock(facts({ now: Date.UTC(2026, 11, 31) })), 'problem', /^2026-/, /Set the clock/);
  });
});

describe('a file system', () => {
  const mountinfo = [
    '22 1 179:2 / / rw,noatime - ext4 /dev/root rw',
    '30 22 0:25 / /tmp rw - tmpfs tmpfs rw,size=100k',
    '31 22 179:3 / /media/usb\\040stick rw - vfat /dev/sda1 rw',
    '32 22 179:4 / /data ro - ext4 /dev/mmcblk0p4 rw',
    '33 22 179:5 / /database rw - f2fs /dev/mmcblk0p5 rw',
    '34 22 0:44 / /box rw - overlay overlay rw,lowerdir=/rom,upperdir=/tmp/upper,workdir=/tmp/work',
    '35 22 0:45 / /tmp/deep rw - xfs /dev/sdb1 rw',
    '36 22 0:46 / /data rw - ext4 /dev/mmcblk0p6 ro',
    '',
  ].join('\n');

  test('is that of the longest place, and of two at one place the later', () => {
    const typeOf = (path: string): string | undefined => mountOf(path, mountinfo)?.type;
    assert.equal(typeOf('/'), 'ext4');
    assert.equal(typeOf('/tmpfile'), 'ext4');
    assert.equal(typeOf('/tmp'), 'tmpfs');
    assert.equal(typeOf('/tmp/deep/er'), 'xfs');
    assert.equal(typeOf('/media/usb stick/x'), 'vfat');
    assert.equal(typeOf('/database'), 'f2fs');
    assert.deepEqual(mountOf('/data/x', mountinfo), {
      ...{ point: '/data', type: 'ext4', isReadOnly: true, upperFolder: undefined },
    });
    assert.equal(mountOf('/box/x', mountinfo)?.upperFolder, '/tmp/upper');
    assert.equal(mountOf('/x', ''), undefined);
  });

  const facts = (type: string, some: Partial<FolderFacts> = {}): FolderFacts => ({
    ...{ path: '/data', isWritable: true, upperType: undefined, free: 2 ** 30, freeInodes: 10_000 },
    mount: { point: '/', type, isReadOnly: false, upperFolder: undefined },
    ...some,
  });
  test('of the usual kinds is fine', () => {
    is(judgeFolder(facts('ext4')), 'ok', /^\/data is on ext4, with 1024 MiB free, 10000 files more\.$/);
    is(judgeFolder(facts('btrfs', { freeInodes: undefined })), 'ok', /^\/data is on btrfs, with 1024 MiB free\.$/);
  });
  test('of other kinds is not', () => {
    is(judgeFolder(facts('nfs4')), 'warning', /shared memory/, /on the flash/);
    is(judgeFolder(facts('vfat')), 'warning', /rights of files/, /ext4/);
    is(judgeFolder(facts('tmpfs')), 'warning', /lost when the power goes/, /on the flash/);
    is(judgeFolder(facts('overlay')), 'warning', /gone with the container/, /mount a volume/);
    is(judgeFolder(facts('overlay', { upperType: 'tmpfs' })), 'warning', /goes to memory/, /on the flash/);
    is(judgeFolder(facts('overlay', { upperType: 'ext4' })), 'ok', /overlay/);
    is(judgeFolder(facts('x', { mount: undefined })), 'ok', /of unknown type/);
  });
  test('that is nearly full', () => {
    is(judgeFolder(facts('ext4', { free: 9 * 2 ** 20 })), 'warning', /9 MiB free.*16 MiB/, /Free space/);
    is(judgeFolder(facts('ext4', { freeInodes: 3 })), 'warning', /3 files more/, /small files/);
    is(judgeFolder(facts('ext4', { freeInodes: 0 })), 'problem', /It is full/, /Free space/);
  });
});

test('an fsync', () => {
  is(judgeFlushing([1, 30, 2]), 'ok', /^An fsync takes 2\.0 ms, the longest of 3 took 30 ms\.$/);
  is(judgeFlushing([90, 120, 80]), 'warning', /takes 90 ms/, /inBatch/);
});

describe('SQLite', () => {
  const tools: BuildTools = {
    ...{ compiler: true, make: true, python: true, scriptsAreOff: false, npm: 10, headers: false },
  };
  const unbuilt = { failure: 'not built', message: '' } as const;
  test('of the package, or of Node', () => {
    is(judgeSqlite({ sqlite3: { version: '3.52.0' }, builtin: undefined, tools: undefined }), 'ok', /of the package/);
    const absent = { failure: 'absent', message: '' } as const;
    is(judgeSqlite({ sqlite3: absent, builtin: '3.51.3', tools: undefined }), 'ok', /^SQLite 3\.51\.3, of Node itself/);
    is(
      judgeSqlite({ sqlite3: unbuilt, builtin: '3.51.3', tools }),
      'warning',
      /never built/,
      /npm rebuild sqlite3\. Or remove it/,
    );
  });
  test('of neither, for each reason by itself', () => {
    const judged = (some: Partial<BuildTools>): Finding =>
      judgeSqlite({ sqlite3: unbuilt, builtin: undefined, tools: { ...tools, ...some } });
    is(judged({}), 'problem', /What compiles it is here\.$/, /Or stay with this Node: npm rebuild sqlite3\. Or build/);
    is(judged({ make: false }), 'problem', /this machine lacks make\.$/, /python3?, then npm rebuild sqlite3/);
    is(
      judged({ npm: 12 }),
      'problem',
      /npm 12 runs no install scripts/,
      /: npm install-scripts approve sqlite3, then npm rebuild/,
    );
    is(
      judged({ scriptsAreOff: true }),
      'problem',
      /told to run no install scripts/,
      /: npm config set ignore-scripts false, then/,
    );
    is(judged({ headers: true }), 'problem', /never built/, /npm_config_nodedir=\/usr/);
  });
});

test('a version and a range with a caret', () => {
  for (const version of ['5.10.0', '5.10.1', '5.11.0', '5.16.0-rc.1']) assert.ok(isWithin(version, '^5.10.0'), version);
  for (const version of ['5.9.9', '4.99.0', '6.0.0']) assert.ok(!isWithin(version, '^5.10.0'), version);
});

test('a serial port', () => {
  const port = { path: '/dev/ttyUSB0', group: 'dialout', isAllowed: true, program: undefined, isConsole: false };
  is(judgeSerialDevice(port), 'ok', /^\/dev\/ttyUSB0, of the group dialout\. Leave rtscts off/);
  is(judgeSerialDevice({ ...port, isAllowed: false }), 'warning', /may not open it/, /^sudo usermod -aG dialout /);
  is(
    judgeSerialDevice({ ...port, isAllowed: false, group: 'root' }),
    'warning',
    /may not/,
    /udev.*usermod -aG dialout/,
  );
  is(
    judgeSerialDevice({ ...port, program: 'gpsd (process 7)' }),
    'warning',
    /gpsd \(process 7\) has it open/,
    /End that/,
  );
  is(judgeSerialDevice({ ...port, isConsole: true }), 'warning', /The kernel writes/, /console=/);
});

test('a serial port that does not open, in the words of the C library', () => {
  const opening = (words: string): Finding => judgeOpening('/dev/null', words);
  is(opening('Error Resource temporarily unavailable Cannot lock port'), 'problem', /another program/, /fuser/);
  is(opening('Error: Permission denied, cannot open /dev/null'), 'problem', /may not open/, /usermod/);
  is(opening('Error: Input/output error, cannot open /dev/null'), 'problem', /no hardware/, /adapter/);
  is(opening('Error: Inappropriate ioctl for device'), 'problem', /no serial port/, /another port/);
});

test('a broker that does not let us in', () => {
  const url = new URL('mqtts://user:secret-word@broker.local:8883');
  const judged = (error: object): Finding => judgeBroker(url, Object.assign(new Error('x'), error));
  for (const error of [
    { code: 'ECONNREFUSED' },
    { code: 'ENOTFOUND' },
    { code: 'EHOSTUNREACH' },
    { code: 'CERT_NOT_YET_VALID' },
    { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    { code: 'ERR_SSL_WRONG_VERSION_NUMBER' },
    { code: 5 },
    { code: 3 },
    {},
  ]) {
    const { verdict, found, remedy } = judged(error);
    assert.equal(verdict, 'problem');
    assert.match(found, /^broker\.local:8883: /);
    assert.doesNotMatch(found + String(remedy), /secret-word/);
  }
  is(judged({ code: 'CERT_NOT_YET_VALID' }), 'problem', /not valid now/, /Set the clock/);
  is(judged({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }), 'problem', /not believed/, /NODE_EXTRA_CA_CERTS/);
});

describe('the report', () => {
  test('wraps at 80 columns and keeps the control characters of others to itself', () => {
    const found = `/dev/\u001b[2Jevil\nname ${'word '.repeat(30)}`;
    const text = asText({ name: 'serial', verdict: 'problem', found, remedy: 'mend '.repeat(30) }, false);
    for (const line of text.split('\n')) assert.match(line, /^[ -~]{0,79}$/);
    assert.match(text, /^PROBLEM {2}serial {5}\/dev\/ \[2Jevil name word/);
    assert.match(text, /^ {20}-> mend/m);
  });
  test('has colours where they are wanted', () => {
    const finding: Finding = { name: 'node', verdict: 'ok', found: 'x' };
    assert.ok(asText(finding, true).startsWith('\u001b[32mok'));
    assert.ok(!asText(finding, false).includes('\u001b'));
  });
  test('counts', () => {
    const finding = (verdict: Finding['verdict']): Finding => ({ name: 'x', verdict, found: 'x' });
    assert.equal(summary([finding('ok')]), 'Everything is in order.\n');
    assert.equal(summary([finding('ok'), finding('warning')]), '1 warning. hawser works here.\n');
    assert.equal(summary([finding('problem'), finding('problem'), finding('warning')]), '2 problems, 1 warning.\n');
  });
});
