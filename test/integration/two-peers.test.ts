/**
 * The shortest example as shipped, and what all that are played on a stage have in common. Looks at dist/ through the public names,
 * so that comes first: `npm run build`.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { placesOf, runExample, startExample } from './run-example.js';

const EXAMPLE = 'two-peers';

describe('the example of two peers', () => {
  test('syncs readings one way and the limit the other, and says that both are equal', async (context) => {
    const { status, output, errors, leftBehind } = await runExample(context, EXAMPLE, '--readings', '2');
    assert.equal(errors, '', output);
    assert.equal(status, 0, output);
    const places = placesOf(output, [
      /^bridge: listens on wss:\/\/127\.0\.0\.1:\d+\/vessel, fingerprint ([0-9A-F]{2}:){31}[0-9A-F]{2}$/,
      /^engine room: limit: received$/,
      /^bridge: reading-2: here$|^bridge: reading-1, reading-2: here$/,
      /^PASSED: engine room and bridge have 3 documents equal by ID, revision and body$/,
    ]);
    assert.ok(!places.includes(-1), output);
    assert.deepEqual(leftBehind, []);
  });

  test('refuses what it does not know, and a number out of range, with the usage', async (context) => {
    for (const [args, message] of [
      [['--reading', '2'], /^Unknown option '--reading'/],
      [['--readings', '0'], /^--readings must be a whole number from 1 to 3600, not "0"/],
    ] as const) {
      const { status, output, errors } = await runExample(context, EXAMPLE, ...args);
      assert.equal(status, 2, errors);
      assert.match(errors, message);
      assert.match(errors, /^Usage: npm run demo:two-peers/m);
      assert.equal(output, '');
    }
  });

  test('ends every process and removes its folder when it is interrupted', async (context) => {
    const example = await startExample(context, EXAMPLE, '--readings', '3600');
    await example.line(/^bridge: reading-1/);
    example.main.kill('SIGINT');
    const { status, errors, leftBehind } = await example.ended;
    assert.equal(errors, 'Interrupted.\n');
    assert.equal(status, 130);
    assert.deepEqual(leftBehind, []);
  });

  test('its programs end by themselves when the process that started them is gone', async (context) => {
    const example = await startExample(context, EXAMPLE, '--readings', '3600');
    await example.line(/^bridge: reading-1/);
    example.main.kill('SIGKILL');
    await example.ended; // each of them has the same pipe for errors: it closes with the last
  });
});
