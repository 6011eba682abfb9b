/**
 * The vessel example as shipped, with few readings and its own log: five processes, three media, a bridge that is killed. Looks at
 * dist/ through the public names, so that comes first: `npm run build`.
 *
 * Waits for the real back-off of the nodes, hence ten seconds.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serialLineProblem } from '../conformance/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const OWN_LOG = ['--log', 'device-examples/vessel/navigation.nmea'];

interface Demo {
  readonly main: ChildProcess;
  /** The folder that its temporary folders are made in. */
  readonly folder: string;
  readonly lines: readonly string[];
  /** Resolves when a line matches. */
  line(pattern: RegExp): Promise<void>;
  /** Resolves when no process of the demo holds its output any more. */
  readonly ended: Promise<{ readonly status: number | null; readonly errors: string }>;
}

async function startDemo(context: TestContext, ...args: string[]): Promise<Demo> {
  const folder = await temporaryDirectory(context);
  const main = spawn(process.execPath, ['--import', 'tsx', 'device-examples/vessel/main.ts', ...args], {
    cwd: repository,
    env: { ...process.env, TMPDIR: folder, TMP: folder, TEMP: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  context.after(() => main.kill('SIGKILL'));
  const lines: string[] = [];
  let errors = '';
  main.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const output = createInterface(main.stdout);
  output.on('line', (line) => lines.push(line));
  return {
    main,
    folder,
    lines,
    line: async (pattern) => {
      while (!lines.some((line) => pattern.test(line))) await once(output, 'line');
    },
    ended: once(main, 'close').then(([status]) => ({ status: status as number | null, errors })),
  };
}

/** What tsx leaves in the folder for temporary files is not ours. */
async function leftBehind(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('hawser'));
}

describe('the vessel example', { concurrency: false, timeout: 300_000 }, () => {
  test('refuses an option that it does not know, with the usage', async (context) => {
    const { ended, lines } = await startDemo(context, '--reading', '5');
    const { status, errors } = await ended;
    assert.equal(status, 2);
    assert.match(errors, /Unknown option '--reading'[^]*Usage: npm run demo/);
    assert.deepEqual(lines, []);
  });

  test('syncs every reading through a crash of the bridge and says that all documents are equal', async (context) => {
    const demo = await startDemo(context, ...OWN_LOG, '--readings', '600', '--seconds', '6');
    const { status, errors } = await demo.ended;
    const output = demo.lines.join('\n');
    assert.equal(errors, '', output);
    assert.equal(status, 0, output);
    assert.match(output, /^Engine room: engine-room\.nmea, a small log written for this example, not recorded/m);
    assert.match(output, /wss:\/\/127\.0\.0\.1:\d+\/vessel/);
    const killed = demo.lines.findIndex((line) => /half-way, .*the bridge is killed \(SIGKILL\)$/.test(line));
    const back = demo.lines.findIndex((line) => /the bridge is back, on the same folder and port/.test(line));
    assert.ok(killed > 0 && back > killed, output);
    for (const node of ['navigation', 'weather', 'engine']) {
      const offline = demo.lines.findIndex((line) => line.includes(`${node} is offline (CONNECTION_`));
      const online = demo.lines.findIndex((line) => line.includes(`${node} is connected again`));
      assert.ok(offline > killed && online > offline, output);
    }
    // With the three orders of the shore.
    assert.equal(
      demo.lines.at(-1),
      'PASSED: nodes, bridge and shore have 1,353 documents equal by ID, revision and body',
    );
    const [line, links] = [
      serialLineProblem() === undefined,
      demo.lines.filter((text) => /saved 1,350 /.test(text)).at(-1),
    ];
    assert.match(
      links ?? '',
      line ? /weather over mqtt \d+ ms.*engine over serial \d+ ms/ : /weather over mqtt \d+ ms/,
      output,
    );
    assert.equal(/Without a serial line/.test(output), !line);
    assert.ok(!output.includes('\u001b'), 'plain lines on a pipe');
    assert.ok(demo.lines.length < 60, 'not too many of them');
    assert.deepEqual(await leftBehind(demo.folder), []);
  });

  test('ends every process and removes its folders when it is interrupted', async (context) => {
    const demo = await startDemo(context, ...OWN_LOG);
    await demo.line(/the bridge listens/);
    // That of the databases, and that of the serial line.
    assert.equal((await leftBehind(demo.folder)).length, serialLineProblem() === undefined ? 2 : 1);
    demo.main.kill('SIGINT');
    const { status, errors } = await demo.ended;
    assert.equal(errors, 'Interrupted.\n');
    assert.equal(status, 130);
    assert.deepEqual(await leftBehind(demo.folder), []);
  });

  test('bridge and nodes end by themselves when the process that started them is gone', async (context) => {
    const demo = await startDemo(context, ...OWN_LOG);
    await demo.line(/saved [1-9]/);
    demo.main.kill('SIGKILL');
    await demo.ended; // each of them writes to the same pipe: it closes with the last
  });
});
