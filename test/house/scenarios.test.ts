/**
 * The acceptance scenarios of replication are tests whose titles begin with their numbers (`'90. pushes once'`,
 * `'69, 71, 73. recovers …'`, `'63–66. carries …'`), or are listed in test/README.md with the reason why there is none.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readSources } from './sources.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * By chapter: listeners, identities, custom transports, replicators, events and filters, conflicts, delta sync, expiration; of the
 * mesh and of topologies those that need no discovery, and of bad days the power cut.
 */
const SCENARIOS = numbersOf('1–48, 49–62, 63–86, 87–123, 124–142, 143–173, 174–185, 186–202, 226, 235–239, 241');

/** Without them a user would not call it replication: no reason is good enough. */
const INDISPENSABLE = numbersOf(
  '13, 14, 17, 21, 25, 28, 31, 35, 36, 40, 63, 68, 69, 70, 75, 83, 90, 91, 95, 101, 107, 109, 112, 124, 129, 135, 143, 146, ' +
    '152, 167, 173, 174, 194, 198',
);

const tested = new Set(
  [...readSources(root, ['test'])]
    .filter(([path]) => path.endsWith('.test.ts') && path !== 'test/house/scenarios.test.ts')
    .flatMap(([, text]) => titledNumbers(text)),
);
const excused = new Map(
  excuses(readFileSync(`${root}test/README.md`, 'utf8')).map(([number, reason]) => [number, reason]),
);

test('every scenario has a test, or a reason why it has none', () => {
  const missing = SCENARIOS.filter((number) => !tested.has(number) && !excused.has(number));
  assert.ok(missing.length === 0, `no test has these numbers in its title: ${missing.join(', ')}`);
});

test('the indispensable scenarios have a test', () => {
  const missing = INDISPENSABLE.filter((number) => !tested.has(number));
  assert.ok(missing.length === 0, `no test has these numbers in its title: ${missing.join(', ')}`);
});

test('reasons are given for scenarios that exist and have no test', () => {
  for (const [number, reason] of excused) {
    assert.ok(SCENARIOS.includes(number), `there is no scenario ${number}`);
    assert.ok(!tested.has(number), `scenario ${number} has a test: take it out of test/README.md`);
    assert.ok(reason.length >= 20, `why does scenario ${number} have no test?`);
  }
});

test('numbers in titles are those of scenarios', () => {
  const unknown = [...tested].filter((number) => !SCENARIOS.includes(number));
  assert.deepEqual(unknown, []);
});

test('reads titles and reasons as they are written', () => {
  const text = [
    `it('90. pushes', run); test("69, 71. x", run); describe(\`1–3. \${x}\`, run);`,
    `it(\n'7. y', run); it.skip('8. z', run); it('5,000 documents', run); it('12 of 13. no', run);`,
  ].join('\n');
  assert.deepEqual(titledNumbers(text), [90, 69, 71, 1, 2, 3, 7]);
  const table =
    '## Scenarios that have no test\n\n| number | why |\n|---|---|\n| 4, 6 | no such thing |\n\n## Next\n| 5 | no |';
  assert.deepEqual(excuses(table), [
    [4, 'no such thing'],
    [6, 'no such thing'],
  ]);
});

/** What is skipped does not count. */
function titledNumbers(text: string): number[] {
  const titles = text.matchAll(/\b(?:it|test|describe)\(\s*['"`](\d+(?:(?:, |–)\d+)*)\. /g);
  return [...titles].flatMap(([, numbers = '']) => numbersOf(numbers));
}

function excuses(readme: string): [number, string][] {
  const section = readme.split('\n## ').find((part) => /^(?:## )?Scenarios that have no test/.test(part)) ?? '';
  return [...section.matchAll(/^\| ([\d, –]+) \| (.+) \|$/gm)].flatMap(([, numbers = '', reason = '']) =>
    numbersOf(numbers).map((number): [number, string] => [number, reason.trim()]),
  );
}

/** `1–3, 5` is 1, 2, 3 and 5. */
function numbersOf(text: string): number[] {
  return text.split(', ').flatMap((part) => {
    const [first = 0, last = first] = part.split('–').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
