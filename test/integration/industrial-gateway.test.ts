/** The Modbus gateway as shipped, with a machine that answers on a line. Looks at dist/ through the public names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialLineProblem } from '../conformance/index.js';
import { placesOf, runExample } from './run-example.js';

test(
  'the Modbus gateway saves what a machine says, and brings it to a station that was away',
  { skip: serialLineProblem() ?? false },
  async (context) => {
    const { status, output, errors, leftBehind } = await runExample(context, 'industrial-gateway', '--seconds', '2');
    assert.equal(errors, '', output);
    assert.equal(status, 0, output);
    const places = placesOf(output, [
      /^gateway: the machine does not answer \(Timed out\)$/,
      /^gateway: the machine answers$/,
      /^the adapter of the gateway is unplugged$/,
      /^gateway: the machine does not answer/,
      /^it is plugged in again$/,
      /^gateway: the machine answers$/,
      /^[1-9]\d* documents are on the station: it is killed \(SIGKILL\)$/,
      /^gateway: offline \(CONNECTION_/,
      /^the gateway has saved [1-9]\d* more, and the station is started again$/,
      /^gateway: connected to the station$/,
      /^PASSED: gateway and station have \d+ documents equal by ID, revision and body$/,
    ]);
    assert.ok(!places.includes(-1), `${places.join(' ')}\n${output}`);
    assert.deepEqual(leftBehind, []);
  },
);
