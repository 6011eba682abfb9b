/**
 * `npm run test:power [-- --kills 200 --seed N]`: scenario 241 at length. Needs root and a loop device with ext4; the disks
 * are files in the temporary folder. Exit status 1 if anything that was promised did not hold.
 */
import { parseArgs } from 'node:util';
import { campaign } from './campaign.js';
import { PowerDisk } from './power-disk.js';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string' }, verbose: { type: 'boolean' } },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
if (![kills, seed].every((value) => Number.isInteger(value) && value >= 0) || kills === 0) {
  console.error('Usage: npm run test:power [-- --kills 200 --seed N --verbose]');
  process.exit(2);
}
const problem = await PowerDisk.problem();
if (problem !== undefined) {
  console.error(`Cannot cut the power here: ${problem}.`);
  process.exit(2);
}
console.log(`${kills} kills and power cuts, seed ${seed}`);
const began = performance.now();
try {
  let count = 0;
  const report = await campaign({
    kills,
    seed,
    onRound: (line) => {
      count++;
      if (values.verbose === true) console.log(line);
      else if (count % 20 === 0) console.log(`${count} of ${kills}`);
    },
  });
  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `${report.kills} kills and ${report.cuts} power cuts (${report.tornLogs} with a torn log): ` +
      `${report.acknowledged} saves acknowledged, lost 0 of those that had to stay, ${report.takenBack} of the last ones ` +
      `taken back without fullSync; ${report.blobs} blobs looked at; ${report.equal} documents equal on both sides; ` +
      `${seconds} s`,
  );
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
