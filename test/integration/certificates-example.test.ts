/** The example of mutual TLS as shipped. Looks at dist/ through the public names, so that comes first: `npm run build`. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../support/temporary-directory.js';

test('the example of mutual TLS lets in the device of the fleet and nobody else', async (context) => {
  const folder = await temporaryDirectory(context);
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'device-examples/mutual-tls/main.ts'],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)), env: { ...process.env, TMPDIR: folder } },
  );
  assert.equal(stderr, '');
  const lines = stdout.trim().split('\n');
  const of = (who: string): string[] => lines.filter((line) => line.startsWith(who));
  assert.deepEqual(of('engine room:'), ['engine room: pushed engine-1']);
  assert.deepEqual(of('stranger:'), ['stranger:    TLS_CLIENT_CERTIFICATE_REJECTED (5010)']);
  assert.deepEqual(of('nobody:'), ['nobody:      TLS_CLIENT_CERTIFICATE_REQUIRED (5006)']);
  assert.deepEqual(of('bridge:').sort(), [
    'bridge:      refused somebody, TLS_CLIENT_CERTIFICATE_REJECTED',
    'bridge:      refused somebody, TLS_CLIENT_CERTIFICATE_REQUIRED',
    'bridge:      served engine-room',
  ]);
  assert.match(lines.at(-1) ?? '', /^PASSED/);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('hawser')),
    [],
  );
});
