/**
 * The table of error codes in the README, made from src/errors.ts: `npm run docs:errors` rewrites what stands between the
 * two markers and touches nothing else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '../src/errors.js';

const BEGIN = /^<!-- errors:begin\b.*-->$/m;
const END = /^<!-- errors:end -->$/m;

/** The table as Markdown, in the order of src/errors.ts. */
export function errorsTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { domain, number, retryable, hint }]) =>
      `| ${code} | ${domain === 'Hawser' ? '–' : `${domain} ${number}`} | ${retryable ? 'yes' : 'no'} | ${hint.replaceAll('|', '\\|')} |`,
  );
  return ['| Code | Couchbase Lite | Retryable | What to do |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** `readme` with the table between its markers brought up to date. Throws where the markers are missing. */
export function withErrorsTable(readme: string): string {
  const begin = BEGIN.exec(readme);
  const end = END.exec(readme);
  if (begin === null || end === null || end.index < begin.index) {
    throw new Error('README.md lacks the lines <!-- errors:begin --> and <!-- errors:end -->');
  }
  return `${readme.slice(0, begin.index)}${begin[0]}\n\n${errorsTable()}\n\n${readme.slice(end.index)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL('../README.md', import.meta.url));
  writeFileSync(path, withErrorsTable(readFileSync(path, 'utf8')));
}
