/** What the command understands, and what it says otherwise. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { COMMAND, hawser, REPOSITORY } from './run-hawser.js';

describe('hawser refuses, with status 2 and a way on', () => {
  const cases: readonly [title: string, parameters: readonly string[], message: RegExp][] = [
    ['no command', [], /which command\? .*doctor/],
    ['a command that is not there', ['nurse'], /no command "nurse"/],
    ['an option that is not there', ['doctor', '--cereal', '/dev/ttyS0'], /'--cereal'/],
    ['an option without its value', ['doctor', '--serial'], /--serial/],
    ['an empty device', ['doctor', '--serial='], /path of a device/],
    ['two folders', ['doctor', 'a', 'b'], /one folder/],
    ['an empty folder', ['doctor', ''], /folder is empty/],
    ['a rate that is no number', ['doctor', '--serial', '/dev/ttyS0', '--baud', 'fast'], /--baud must be a number/],
    ['a rate of nothing', ['doctor', '--baud', '9600'], /--baud needs --serial/],
    ['a broker that is no URL', ['doctor', '--broker', 'localhost'], /--broker must be a URL/],
    ['a broker of another kind', ['doctor', '--broker', 'https://localhost'], /--broker must be a URL/],
  ];
  for (const [title, parameters, message] of cases) {
    test(title, async () => {
      const { status, output, errors } = await hawser(parameters);
      assert.equal(status, 2);
      assert.equal(output, '');
      assert.match(errors, message);
      assert.match(errors, /^Try: hawser --help$/m);
    });
  }

  test('a broker with a password in it, which it does not repeat', async () => {
    const { status, errors } = await hawser(['doctor', '--broker', 'http://user:secret-word@localhost']);
    assert.equal(status, 2);
    assert.doesNotMatch(errors, /secret-word/);
  });
});

describe('hawser', () => {
  for (const parameters of [['--help'], ['-h'], ['help'], ['doctor', '--help']]) {
    test(`explains itself for ${parameters.join(' ')}, on 80 columns`, async () => {
      const { status, output, errors } = await hawser(parameters);
      assert.deepEqual({ status, errors }, { status: 0, errors: '' });
      for (const option of ['FOLDER', '--serial', '--baud', '--broker', '--json']) assert.ok(output.includes(option));
      for (const line of output.split('\n')) assert.ok(line.length < 80, line);
    });
  }

  test('tells its version', async () => {
    const { version } = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8')) as { version: string };
    for (const option of ['--version', '-v']) assert.equal((await hawser([option])).output, `${version}\n`);
  });

  test('is the command of the package, with the floor of its engines', () => {
    const manifest = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(manifest['bin'], { hawser: './dist/cli.js' });
    assert.deepEqual(manifest['engines'], { node: '>=20.17' });
    assert.match(readFileSync(COMMAND, 'utf8'), /^#!\/usr\/bin\/env node\n.*floor=\[20,17\]/s);
  });
});
