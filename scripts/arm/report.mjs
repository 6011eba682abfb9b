/** What a run on ARM tells: a line for each suite as it ends, what failed, and counts at the end. */

/** Which of a program's lines count, as test-reporter.mjs writes them. */
const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped'];

export function makeReport() {
  const startedAt = performance.now();
  const totals = Object.fromEntries(COUNTS.map((name) => [name, 0]));
  const reasons = new Set();
  const failed = [];
  return {
    prepared(machines) {
      for (const { name, node } of machines) {
        const older = node.isOlder ? ', older than hawser asks for: there is no later one for it on npm' : '';
        console.log(`${name}: Node ${node.version}${older}`);
      }
      console.log(`Ready after ${seconds(startedAt)}.`);
    },

    /** @param outcome of {@link runSuite} */
    suite({ name }, { title }, { status, output, isLate, minutes, tookMs }) {
      const counts = countsOf(output);
      for (const count of COUNTS) totals[count] += counts[count] ?? 0;
      for (const [, reason] of output.matchAll(/^Skipped \d+ tests?: (.*)$/gm)) reasons.add(reason);
      // No test at all is no success.
      const isGood = status === 0 && counts.fail === 0 && counts.tests > 0;
      const took = `${(tookMs / 1e3).toFixed(0)} s`;
      console.log(`${isGood ? '✔' : '✖'} ${name} ${title}: ${counts.pass ?? 0} of ${counts.tests ?? 0} tests, ${took}`);
      if (isGood) return;
      failed.push(`${name} ${title}`);
      if (isLate) console.log(`  It took more than ${minutes.toFixed(1)} minutes and was ended.`);
      console.log(failureIn(output));
    },

    /** Says how it went altogether; true if all is good. */
    finish() {
      for (const reason of reasons) console.log(`Skipped: ${reason}`);
      console.log(`ARM, emulated: ${seconds(startedAt)}.`);
      if (failed.length > 0) console.log(`FAILED: ${failed.join(', ')}`);
      for (const count of COUNTS) console.log(`# ${count} ${totals[count]}`);
      return failed.length === 0;
    },
  };
}

function countsOf(output) {
  const lines = output.matchAll(/^# (\w+) (\d+)$/gm);
  return Object.fromEntries(Array.from(lines, ([, name, count]) => [name, Number(count)]));
}

/** The report of what failed, or the end of what was said where there is none. */
function failureIn(output) {
  const start = output.indexOf('✖ failing tests:');
  return start >= 0 ? output.slice(start) : output.split('\n').slice(-40).join('\n');
}

function seconds(since) {
  return `${((performance.now() - since) / 1e3).toFixed(0)} s`;
}
