/** The conformance suite is worth something only if it fails for connections that break the contract. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** What is broken, and a case that must notice. */
const EXPECTED: Record<string, RegExp> = {
  'two ends are reported': /^reports an orderly end to the other end once/,
  'no end is reported': /^reports an orderly end to the other end once/,
  'empty messages are swallowed': /^carries an empty message/,
  'two messages become one': /^carries a thousand small messages/,
  'neighbours change places': /^carries a thousand small messages/,
  'a pause is ignored': /^stops the sender while the receiver takes nothing/,
  'messages are delivered early': /^delivers nothing before open has resolved/,
  'a send after the end succeeds': /^rejects a message after close/,
  'a message above the limit ends the connection': /^rejects a message one byte above the limit/,
  'what was sent before the end is dropped': /^delivers what was sent before the end/,
  'reasons are lost': /^tells the other end of a permanent error/,
  'close rejects the second time': /^closes twice as once/,
  'open is pending for ever when it is closed': /^rejects a pending open when the active end is closed/,
  'an error is plain': /^rejects open when it is refused/,
  'a timer is left': /^leaves no handle behind/,
  'memory around a message is sent': /^carries only the message, not the memory it lies in/,
};

describe('connectionConformance', () => {
  const failed = new Map<string, string[]>();

  before(async () => {
    const program = fileURLToPath(new URL('../support/broken-connections.ts', import.meta.url));
    const env: NodeJS.ProcessEnv = { ...process.env };
    delete env['NODE_TEST_CONTEXT']; // else the child reports to our runner
    const child = spawn(process.execPath, ['--import', 'tsx', '--test-reporter=tap', program], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = await text(child.stdout);
    let cases: string[] = [];
    for (const line of output.split('\n')) {
      const suite = /^(?:not )?ok \d+ - connection conformance: (.*)$/.exec(line);
      const failure = /^ {4}not ok \d+ - (.*)$/.exec(line);
      if (failure?.[1] !== undefined) cases.push(failure[1]);
      if (suite?.[1] === undefined) continue;
      failed.set(suite[1], cases);
      cases = [];
    }
  });

  test('passes a connection that keeps the contract', () => {
    assert.deepEqual(failed.get('nothing is broken'), []);
  });

  for (const [what, expected] of Object.entries(EXPECTED)) {
    test(`notices when ${what}`, () => {
      const cases = failed.get(what);
      assert.ok(cases !== undefined, 'the suite did not run');
      assert.ok(
        cases.some((title) => expected.test(title)),
        `failed cases: ${cases.join(' | ')}`,
      );
    });
  }
});
