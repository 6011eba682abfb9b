#!/usr/bin/env node
/**
 * The command `hawser`, as it is started. This file is written for Node 10, which cannot read the others: where Node is too
 * old it says so in a sentence instead of a syntax error, and everything else is loaded after that. So it has no `import`
 * declaration, and nothing that a Node of 2018 does not know.
 */
(function start() {
  /** That of `engines` in package.json; a test holds the two together. */
  const floor = [20, 17];
  const version = process.versions.node.split('.').map(Number);
  const isOld = version[0]! < floor[0]! || (version[0] === floor[0] && version[1]! < floor[1]!);
  if (!isOld) {
    void import('./main.js').then((program) => program.main(process.argv.slice(2)));
    return;
  }
  const found = 'This is Node ' + process.versions.node + '; hawser needs ' + floor.join('.') + ' or later.';
  // Of 24 there are no binaries for ARM in 32 bits.
  const newer = process.arch === 'arm' ? 22 : 24;
  const remedy = 'Install Node ' + newer + ', which needs no compiler for SQLite: https://nodejs.org/en/download';
  const finding = { name: 'node', verdict: 'problem', found, remedy };
  const isForMachines = process.argv.indexOf('--json') >= 0;
  console.log(isForMachines ? JSON.stringify({ findings: [finding] }) : found + '\n' + remedy);
  process.exitCode = 1;
})();
