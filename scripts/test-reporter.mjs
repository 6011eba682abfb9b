/**
 * Node's `spec` report, and at its end what a reader or a program looks for first: why tests were skipped, and the
 * counts as `# tests 12`, `# pass 12`, as Node's `tap` report writes them.
 */
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

const COUNT = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

export default async function* report(source) {
  const counts = [];
  const skipped = new Map();
  async function* withoutCounts() {
    for await (const event of source) {
      const { type, data } = event;
      if (type === 'test:pass' && data.skip !== undefined && data.skip !== false) {
        const why = data.skip === true || data.skip === '' ? 'no reason given' : data.skip;
        skipped.set(why, (skipped.get(why) ?? 0) + 1);
      }
      if (type === 'test:diagnostic' && data.nesting === 0 && COUNT.test(data.message)) counts.push(data.message);
      else yield event;
    }
  }
  yield* Readable.from(withoutCounts()).compose(new spec());
  for (const [why, count] of skipped) yield `Skipped ${count === 1 ? '1 test' : `${count} tests`}: ${why}\n`;
  for (const count of counts) yield `# ${count}\n`;
}
