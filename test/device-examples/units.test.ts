/**
 * The systemd units of the examples: that they are well formed, run a program that is there with all the settings that it needs, and let
 * it do nothing else. Where systemd is installed, it has a look at them too.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary-directory.js';

const examples = fileURLToPath(new URL('../../device-examples', import.meta.url));
const files = (readdirSync(examples, { recursive: true }) as string[])
  .filter((path) => !path.includes('node_modules'))
  .map((path) => path.replaceAll('\\', '/'));
const units = files.filter((path) => path.endsWith('.service'));
/** What runs on a device for ever. */
const programs = files.filter(
  (path) => /\/(bridge|engine-room|gateway|node|sensor|shore|station)\.ts$/.test(path) && path !== 'vessel/station.ts', // a process, as the one that started it sees it
);

type Section = ReadonlyMap<string, readonly string[]>;

/** Throws at a line that is none. */
function parse(text: string): ReadonlyMap<string, Section> {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (name !== undefined) {
      assert.ok(!sections.has(name), `[${name}] twice`);
      sections.set(name, (section = new Map()));
      continue;
    }
    const [, key = '', value = ''] = /^([A-Z]\w+)=(.*)$/.exec(line) ?? assert.fail(`not a setting: ${line}`);
    assert.ok(section !== undefined, `outside of a section: ${line}`);
    section.set(key, [...(section.get(key) ?? []), value]);
  }
  return sections;
}

/** May be there more than once. */
const LISTS = ['DeviceAllow', 'Environment', 'ExecStartPre'];
const SANDBOX: Readonly<Record<string, RegExp>> = {
  DynamicUser: /^yes$/,
  ProtectSystem: /^strict$/,
  ProtectHome: /^yes$/,
  PrivateTmp: /^yes$/,
  NoNewPrivileges: /^yes$/,
  CapabilityBoundingSet: /^$/,
  RestrictAddressFamilies: /^AF_UNIX/,
  RestrictNamespaces: /^yes$/,
  ProtectKernelModules: /^yes$/,
  ProtectKernelTunables: /^yes$/,
  ProtectControlGroups: /^yes$/,
  SystemCallFilter: /^@system-service$/,
  SystemCallArchitectures: /^native$/,
  UMask: /^0077$/,
  MemoryMax: /^\d+M$/,
  TasksMax: /^\d+$/,
  StateDirectoryMode: /^0700$/,
  Restart: /^always$/,
};
const RUN = /^\/usr\/bin\/node --import tsx device-examples\/(\S+\.ts)( \w+)?$/;

function programOf(text: string): string | undefined {
  return RUN.exec(parse(text).get('Service')?.get('ExecStart')?.[0] ?? '')?.[1];
}

/** Without which it does not start. */
function neededBy(program: string): string[] {
  const source = readFileSync(join(examples, program), 'utf8');
  const texts = [...source.matchAll(/\b(?:s|passwordsS)etting\('([A-Z_]+)'\)/g)];
  const numbers = [...source.matchAll(/\bnumberSetting\('([A-Z_]+)', \{([^}]*)\}/g)].filter(
    ([, , range = '']) => !range.includes('fallback'),
  );
  return [...texts, ...numbers].map(([, name = '']) => name);
}

describe('the units of the device examples', () => {
  test('there is one for every program that runs for ever', () => {
    assert.ok(programs.length >= 13, programs.join(' '));
    const run = units.map((unit) => programOf(readFileSync(join(examples, unit), 'utf8')));
    assert.deepEqual([...run].sort(), [...programs].sort());
    assert.equal(new Set(units.map((unit) => basename(unit))).size, units.length, 'they go into one folder');
  });

  for (const unit of units) {
    test(`${unit}: a program of its own folder, its settings, and a sandbox`, () => {
      const text = readFileSync(join(examples, unit), 'utf8');
      const sections = parse(text);
      assert.deepEqual([...sections.keys()], ['Unit', 'Service', 'Install']);
      const service = sections.get('Service') ?? assert.fail();
      for (const [key, values] of service) {
        assert.ok(values.length === 1 || LISTS.includes(key), `${key} is there ${values.length} times`);
      }
      const [command = ''] = service.get('ExecStart') ?? [];
      const program = programOf(text) ?? assert.fail(`not a program of an example: ${command}`);
      assert.equal(dirname(program), dirname(unit));
      assert.ok(existsSync(join(examples, program)), program);
      assert.deepEqual(service.get('WorkingDirectory'), ['/opt/hawser'], 'where tsx is found');
      for (const name of neededBy(program)) assert.match(text, new RegExp(`\\b${name}\\b`), 'a setting is not named');

      for (const [key, pattern] of Object.entries(SANDBOX)) {
        assert.match(service.get(key)?.[0] ?? `${key} is missing`, pattern, key);
      }
      assert.ok(!service.has('MemoryDenyWriteExecute'), 'Node could not start');
      const [folder] = service.get('StateDirectory') ?? [];
      assert.ok(service.get('Environment')?.some((value) => value.endsWith(`_FOLDER=/var/lib/${folder}`)));
      // Its line or its network, and not one thing more.
      const hasNetwork = /AF_INET\b/.test(service.get('RestrictAddressFamilies')?.[0] ?? '');
      assert.equal(service.has('PrivateNetwork'), !hasNetwork);
      const hasDevices = service.has('DeviceAllow');
      assert.equal(service.get('DevicePolicy')?.[0], hasDevices ? 'closed' : undefined);
      assert.equal(service.get('PrivateDevices')?.[0], hasDevices ? undefined : 'yes');
      assert.equal(service.get('SupplementaryGroups')?.[0], hasDevices ? 'dialout' : undefined);
      assert.ok(hasNetwork || hasDevices);
      const readme = readFileSync(join(examples, dirname(unit), 'README.md'), 'utf8');
      assert.ok(readme.includes(`](${basename(unit)})`), 'the README does not link to it');
    });
  }

  const { error, status } = spawnSync('systemd-analyze', ['--version']);
  const problem =
    error !== undefined || status !== 0 ? 'there is no systemd-analyze here: Debian package systemd' : false;
  test('systemd finds no fault with them', { skip: problem }, async (context) => {
    const folder = await temporaryDirectory(context);
    for (const unit of units) {
      // It looks whether the program is there; Node is elsewhere on some machines.
      const text = readFileSync(join(examples, unit), 'utf8').replace('/usr/bin/node', process.execPath);
      await writeFile(join(folder, basename(unit)), text);
    }
    const names = units.map((unit) => join(folder, basename(unit)));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', ...names], { encoding: 'utf8' });
    // It may complain of units of this machine.
    const complaints = verified.stderr
      .split('\n')
      .filter((line) => units.some((unit) => line.includes(basename(unit))));
    assert.deepEqual(complaints, []);
  });
});
