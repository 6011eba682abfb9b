/** A soak of one minute as people run it: real processes, a real broker, kills. Looks at dist/, so that comes first: `npm run build`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serialLineProblem } from '../conformance/index.js';
import { mosquittoProblem } from '../support/mosquitto.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import type { SoakRecord } from './record.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const problem = mosquittoProblem() ?? serialLineProblem();
const seed = Number(process.env['KILL_SEED'] ?? 5);

test(
  `a minute on the vessel, seed ${seed}: equal, bounded, drawn, nothing left`,
  { skip: problem ?? false },
  async (context) => {
    const folder = await temporaryDirectory(context);
    const args = [
      '--import',
      'tsx',
      'test/soak/run.ts',
      '--minutes',
      '1',
      '--seed',
      String(seed),
      '--out',
      join(folder, 'out'),
    ];
    const soak = spawn(process.execPath, args, {
      cwd: repository,
      env: { ...process.env, TMPDIR: folder },
      stdio: 'pipe',
    });
    context.after(() => soak.kill('SIGKILL'));
    let output = '';
    for (const stream of [soak.stdout, soak.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [status] = (await once(soak, 'close')) as [number | null];

    assert.equal(status, 0, output);
    assert.match(output, /documents equal by ID, revision and body/);
    assert.match(await readFile(join(folder, 'out', 'soak.svg'), 'utf8'), /^<svg [^]*<\/svg>\n$/);
    const record = JSON.parse(await readFile(join(folder, 'out', 'soak.json'), 'utf8')) as SoakRecord;
    assert.ok(record.events.length > 0 && record.samples.length > 0 && record.probes.length > 0, output);
    // What tsx leaves in the folder for temporary files is not ours.
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('hawser')),
      [],
    );
    const examples = await readdir(join(repository, 'device-examples'));
    assert.ok(!examples.some((name) => name.startsWith('.soak-')), examples.join());
  },
);
