/** Power cuts and kills in short; `npm run test:power` is the same at length. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { campaign } from './campaign.js';
import { PowerDisk } from './power-disk.js';

const KILLS = 10;

test(
  `241. of ${KILLS} kills and power cuts none takes what fullSync keeps, makes a hole or ends a sync`,
  { timeout: 300_000 },
  async (context) => {
    const problem = await PowerDisk.problem();
    if (problem !== undefined) return context.skip(problem);
    const seed = Number(process.env['KILL_SEED'] ?? 20_261_129);
    context.diagnostic(`seed ${seed} (KILL_SEED repeats its choices)`);
    const began = performance.now();
    const report = await campaign({ kills: KILLS, seed, perRig: KILLS / 2, saves: 240 });
    const seconds = Math.round((performance.now() - began) / 1_000);
    context.diagnostic(
      `${report.kills} kills, ${report.cuts} power cuts, ${report.tornLogs} torn logs; ${report.acknowledged} saves ` +
        `acknowledged, lost 0, taken back ${report.takenBack}; ${report.equal} documents equal; ${seconds} s`,
    );
    assert.equal(report.kills + report.cuts, KILLS);
    assert.ok(report.acknowledged > KILLS * 20, `${report.acknowledged} saves are too few to mean anything`);
  },
);
