/** The findings as text for a console of 80 columns, or as JSON. */
import type { Finding, Verdict } from './finding.js';

/** One line of JSON: `{ hawser, node, findings: [{ name, verdict, found, remedy? }] }`. */
export function asJson(version: string, findings: readonly Finding[]): string {
  return `${JSON.stringify({ hawser: version, node: process.versions.node, findings })}\n`;
}

/** A block of text for one finding. Plain ASCII signs; colours only where the reader is a terminal. */
export function asText({ name, verdict, found, remedy }: Finding, colours: boolean): string {
  const label = LABELS[verdict].padEnd(VERDICT_WIDTH);
  const head = `${colours ? `\u001b[${COLOURS[verdict]}m${label}\u001b[0m` : label}${name.padEnd(NAME_WIDTH)}`;
  const indent = ' '.repeat(VERDICT_WIDTH + NAME_WIDTH);
  const lines = wrapped(oneLine(found), WIDTH - indent.length);
  const advice = remedy === undefined ? [] : wrapped(oneLine(remedy), WIDTH - indent.length - ARROW.length);
  return [
    `${head}${lines[0] ?? ''}`,
    ...lines.slice(1).map((line) => indent + line),
    ...advice.map((line, index) => `${indent}${index === 0 ? ARROW : ' '.repeat(ARROW.length)}${line}`),
    '',
  ].join('\n');
}

/** The last line. */
export function summary(findings: readonly Finding[]): string {
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length;
  const problems = count('problem');
  const warnings = count('warning');
  if (problems + warnings === 0) return 'Everything is in order.\n';
  const parts = [plural(problems, 'problem'), plural(warnings, 'warning')].filter((part) => part !== undefined);
  return `${parts.join(', ')}.${problems === 0 ? ' hawser works here.' : ''}\n`;
}

function plural(count: number, word: string): string | undefined {
  return count === 0 ? undefined : `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** A word that is longer than the line, as a path, has a line of its own. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Paths and messages of others must not control the terminal. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, ' ');
}

const WIDTH = 79;
const VERDICT_WIDTH = 9;
const NAME_WIDTH = 11;
const ARROW = '-> ';
const LABELS: Readonly<Record<Verdict, string>> = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' };
const COLOURS: Readonly<Record<Verdict, number>> = { ok: 32, warning: 33, problem: 31 };
