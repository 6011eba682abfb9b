/** The sleeping sensor as shipped, through each broker that is here, which is killed. Looks at dist/ through the public names. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { mosquittoProblem } from '../support/mosquitto.js';
import { placesOf, runExample, startExample } from './run-example.js';

const EXAMPLE = 'mqtt-sensor';

describe('the example of an MQTT sensor', () => {
  for (const [broker, skip] of [
    ['mosquitto', mosquittoProblem() ?? false],
    ['aedes', false],
  ] as const) {
    test(`brings every reading to the station, through the death of ${broker}`, { skip }, async (context) => {
      const { status, output, errors, leftBehind } = await runExample(
        context,
        ...([EXAMPLE, '--seconds', '2', '--broker', broker] as const),
      );
      assert.equal(errors, '', output);
      assert.equal(status, 0, output);
      const places = placesOf(output, [
        broker === 'aedes' ? /^the broker is aedes/ : /^the broker is Mosquitto at mqtts:/,
        /^station: waits at the broker, fingerprint/,
        /^sensor: awake: [1-9]\d* readings sent, [1-9]\d* bytes$/,
        /^the broker is back/,
        /^sensor: awake: [1-9]\d* readings sent, [1-9]\d* bytes$/,
        /^PASSED: sensor and station have \d+ documents equal by ID, revision and body$/,
      ]);
      assert.ok(!places.includes(-1), output);
      assert.match(
        output,
        /^sensor: awake: the station cannot be reached \(CONNECTION_\w+\), [1-9]\d* readings wait$/m,
      );
      assert.deepEqual(leftBehind, []);
    });
  }

  test('ends broker and programs when it is interrupted', async (context) => {
    const example = await startExample(context, EXAMPLE);
    await example.line(/^station: waits/);
    example.main.kill('SIGINT');
    const { status, errors, leftBehind } = await example.ended;
    const port = Number(/mqtts:\/\/127\.0\.0\.1:(\d+)/.exec(example.lines.join('\n'))?.[1]);
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
    assert.equal(errors, 'Interrupted.\n');
    assert.equal(status, 130);
    assert.deepEqual(leftBehind, []);
  });

  test('configures Mosquitto as the README of the transport does', () => {
    const readme = readFileSync(new URL('../../transports/mqtt/README.md', import.meta.url), 'utf8');
    /** Without comments. */
    const lines = (text: string): string[] => text.split('\n').filter((line) => !/^(#.*)?$/.test(line));
    const block = (language: string): string =>
      new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(readme)?.[1] ?? assert.fail(`no ${language}`);
    const file = (name: string): string =>
      readFileSync(new URL(`../../device-examples/${EXAMPLE}/${name}`, import.meta.url), 'utf8');
    assert.deepEqual(lines(file('mosquitto.conf')), lines(block('conf')));
    assert.deepEqual(
      lines(file('mosquitto.acl')),
      lines(block('acl')).map((line) => line.replace('bridge', 'station')),
    );
  });
});
