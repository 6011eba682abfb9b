/** The serial sensor as shipped, through a noisy line and a plug that is pulled. Looks at dist/ through the public names. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serialLineProblem } from '../conformance/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

test(
  'the serial sensor syncs every reading over a noisy line, and through an adapter that is unplugged',
  { skip: serialLineProblem() ?? false },
  async (context) => {
    const folder = await temporaryDirectory(context);
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', 'device-examples/serial-sensor/main.ts', '--sentences', '90'],
      { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: { ...process.env, TMPDIR: folder } },
    );
    assert.equal(stderr, '', stdout);
    const lines = stdout.trim().split('\n');
    const place = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line));
    const order = [
      /^sensor: connected/,
      /the adapter is unplugged$/,
      /^sensor: offline/,
      /plugged in again/,
      /^all \d+ /,
    ];
    const places = order.map(place);
    assert.ok(
      places.every((at, index) => at >= 0 && at > (places[index - 1] ?? -1)),
      stdout,
    );
    assert.match(stdout, /the line flipped [1-9]\d* bits/);
    assert.match(lines.at(-1) ?? '', /^PASSED: sensor and bridge have 180 documents that are equal$/);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('hawser')),
      [],
    );
  },
);
