/** The README's chapter "Errors" and the table of src/errors.ts say the same, both ways. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { errorsTable, withErrorsTable } from '../../scripts/errors-table.js';
import { ERRORS } from '../../src/errors.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const codes = Object.keys(ERRORS);

/** The codes in the first column of the tables of the chapter "Errors". */
function listedCodes(markdown: string): string[] {
  const chapter = /^## Errors$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(markdown)?.[1];
  assert.ok(chapter !== undefined, 'README.md has no chapter "## Errors"');
  return [...chapter.matchAll(/^\| *`?([A-Z][A-Z0-9_]+)`? *\|/gm)].map((row) => row[1] ?? '');
}

describe('the chapter "Errors" of the README', () => {
  test('lists every code of src/errors.ts', () => {
    const listed = new Set(listedCodes(readme));
    const missing = codes.filter((code) => !listed.has(code));
    assert.deepEqual(missing, [], 'run npm run docs:errors');
  });

  test('lists no code that src/errors.ts does not have, and none twice', () => {
    const listed = listedCodes(readme);
    const known = new Set(codes);
    assert.deepEqual(
      listed.filter((code, index) => !known.has(code) || listed.indexOf(code) !== index),
      [],
      'run npm run docs:errors',
    );
  });

  test('has the numbers and hints of src/errors.ts', () => {
    assert.ok(readme === withErrorsTable(readme), 'the table is out of date: run npm run docs:errors');
  });
});

describe('the generator of the table', () => {
  test('throws where the markers are missing', () => {
    assert.throws(() => withErrorsTable('# hawser\n\n## Errors\n'), /lacks the lines/);
    assert.throws(() => withErrorsTable('<!-- errors:end -->\n<!-- errors:begin -->\n'), /lacks the lines/);
  });

  test('replaces what stands between the markers and nothing else', () => {
    const before = '# T\n\n<!-- errors:begin (a note) -->\n| OLD_CODE | x |\n<!-- errors:end -->\n\nafter\n';
    const after = withErrorsTable(before);
    assert.equal(after, `# T\n\n<!-- errors:begin (a note) -->\n\n${errorsTable()}\n\n<!-- errors:end -->\n\nafter\n`);
    assert.equal(withErrorsTable(after), after);
  });

  test('writes a row of four cells for every code', () => {
    const rows = errorsTable().split('\n').slice(2);
    assert.equal(rows.length, codes.length);
    for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 6, row);
  });
});

describe('the table of src/errors.ts', () => {
  test('names every situation in capitals by area and reason', () => {
    for (const code of codes) assert.match(code, /^[A-Z]+(_[A-Z0-9]+)*$/);
  });

  test('ends every hint with a full stop and keeps it on one line', () => {
    for (const [code, { hint }] of Object.entries(ERRORS)) assert.match(hint, /^[^\n]{10,200}[.?!]$/, code);
  });
});
