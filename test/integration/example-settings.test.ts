/**
 * The programs of the examples refuse settings in a line and with status 2, by which a service manager knows that it
 * need not try again. Looks at dist/ through the public names.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary-directory.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

const GATEWAY = { BUS_PORT: '/dev/null', BUS_NODES: '1,2', NODE_PASSWORDS: '{"node-1":"x"}' };

type Case = readonly [title: string, program: string, settings: Readonly<Record<string, string>>, said: RegExp];
const MODBUS = { MODBUS_PORT: '/dev/null', MODBUS_PARITY: 'odd or even' };

const cases: readonly Case[] = [
  ['one that is missing', 'two-peers/bridge.ts', {}, /^PASSWORD is not set/],
  ['one that is missing, with shared/', 'rs485-gateway/gateway.ts', {}, /^NODE_PASSWORDS is not set\. The first lines/],
  ['one that is missing', 'vessel/bridge.ts', {}, /^BRIDGE_FOLDER is not set/],
  ['one that is missing', 'serial-sensor/sensor.ts', {}, /^SENSOR_FOLDER is not set/],
  ['no JSON', 'rs485-gateway/gateway.ts', { ...GATEWAY, NODE_PASSWORDS: 'x' }, /^NODE_PASSWORDS must be an object/],
  ['no number', 'rs485-gateway/gateway.ts', { ...GATEWAY, BUS_BAUD_RATE: 'x' }, /^BUS_BAUD_RATE must be a number from/],
  [
    'what hawser cannot take',
    'rs485-gateway/gateway.ts',
    { ...GATEWAY, BUS_NODES: '1,1' },
    /^ARGUMENT_INVALID: .* nodes /,
  ],
  ['no word that it knows', 'industrial-gateway/gateway.ts', MODBUS, /^MODBUS_PARITY must be one of even, odd/],
];

describe('a program of an example refuses', () => {
  for (const [title, program, settings, said] of cases) {
    test(`${title}: ${program}`, async (context) => {
      const folder = await temporaryDirectory(context);
      const env = { ...process.env, PASSWORD: '', GATEWAY_FOLDER: folder, ...settings };
      const path = `device-examples/${program}`;
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', path], {
        ...{ cwd: repository, env, encoding: 'utf8', timeout: 120_000 },
      });
      assert.match(stderr, said);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.equal(stdout, '');
      assert.equal(status, 2);
    });
  }
});
