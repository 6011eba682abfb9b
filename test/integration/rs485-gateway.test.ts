/** The gateway and the nodes of the RS-485 example as shipped, with a node that is killed. Looks at dist/ through the public names. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { serialLineProblem } from '../conformance/index.js';
import { placesOf, runExample, startExample } from './run-example.js';

const EXAMPLE = 'rs485-gateway';

describe('the example of an RS-485 gateway', { skip: serialLineProblem() ?? false }, () => {
  test('brings every reading of every node to the gateway, through the death of a node', async (context) => {
    const { status, output, errors, leftBehind } = await runExample(context, EXAMPLE, '--nodes', '3', '--seconds', '3');
    assert.equal(errors, '', output);
    assert.equal(status, 0, output);
    const places = placesOf(output, [
      /^gateway: gives the turn to 3 nodes/,
      /^gateway: node-2 is there$/,
      /^half-way, \d+ readings are stored: node-2 is killed \(SIGKILL\)$/,
      /^node-2 is started again with [1-9]\d* readings/,
      /^gateway: node-2 is there$/,
      /^the bus carried \d+ bytes, flipped \d+ bits/,
      /^PASSED: node-1, node-2, node-3 and gateway have \d+ documents equal by ID, revision and body$/,
    ]);
    assert.ok(!places.includes(-1), output);
    // Of each node more than one, of the one that was killed from both of its lives.
    const [, kept = 0] = /with (\d+) readings/.exec(output) ?? [];
    const [, documents = 0] = /have (\d+) documents/.exec(output) ?? [];
    assert.ok(Number(documents) >= Number(kept) + 3, output);
    assert.deepEqual(leftBehind, []);
  });

  test('ends every process and takes the bus away when it is interrupted', async (context) => {
    const example = await startExample(context, EXAMPLE, '--nodes', '2');
    await example.line(/^gateway: gives the turn/);
    example.main.kill('SIGTERM');
    const { status, errors, leftBehind } = await example.ended;
    assert.equal(errors, 'Interrupted.\n');
    assert.equal(status, 130);
    assert.deepEqual(leftBehind, []);
  });
});
