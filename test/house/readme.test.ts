/** The TypeScript that the README shows compiles against the public names, so that it can be pasted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What a snippet may use without declaring it, because it is the reader's own or stands in a snippet before it. */
const OF_THE_READER = `
declare const secret: string;
declare const metrics: import('hawser').Collection;
declare const alarms: import('hawser').Collection;
declare const target: import('hawser').Endpoint;
declare const authenticator: import('hawser').ListenerAuthenticator;
`;

test('compiles every TypeScript block of the README', () => {
  const blocks = [...readFileSync(`${root}README.md`, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, code]) => code,
  );
  assert.ok(blocks.length >= 2, 'the README shows no TypeScript');
  // Inside the repository, so that the compiler finds its types and `hawser` by the rules of the examples.
  const folder = `${root}device-examples/.readme-test`;
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(`${folder}/reader.d.ts`, OF_THE_READER);
    blocks.forEach((code, index) => writeFileSync(`${folder}/block-${index + 1}.ts`, code ?? ''));
    writeFileSync(`${folder}/tsconfig.json`, '{ "extends": "../../tsconfig.public.json", "include": ["*.ts"] }');
    const tsc = `${root}node_modules/typescript/bin/tsc`;
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
