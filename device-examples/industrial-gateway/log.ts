/**
 * What the machine measures. Temperature and vibration of its oil are those of a real test rig, where the recording is at hand: the
 * folder `industrial-hydraulic-rig` of the test data (HAWSER_TEST_DATA, by default `shared` beside the repository; ZeMA, CC BY 4.0). Else, and
 * for everything else, they are made up, the same in every run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Values in SI units, by path. */
export type Row = Readonly<Record<string, number>>;

/** @param count of rows */
export function rowsOf(count: number): { readonly rows: readonly Row[]; readonly what: string } {
  const folder = resolve(
    process.env['HAWSER_TEST_DATA'] ?? fileURLToPath(new URL('../../../shared', import.meta.url)),
    'data/industrial-hydraulic-rig',
  );
  const isThere = existsSync(folder);
  const temperatures = isThere ? samplesOf(`${folder}/TS1.txt`, count) : [];
  const vibrations = isThere ? samplesOf(`${folder}/VS1.txt`, count) : [];
  const rows = Array.from({ length: count }, (_, index): Row => {
    // The load of the rig comes and goes within a minute.
    const load = (1 + Math.sin(index / 5)) / 2;
    return {
      'propulsion.pump.oilTemperature': (temperatures[index] ?? 40 + 3 * Math.sin(index / 60) + load) + 273.15,
      'propulsion.pump.vibration': (vibrations[index] ?? 0.55 + 0.1 * load) / 1_000,
      'propulsion.pump.oilPressure': 11_000_000 + 4_000_000 * load,
      'propulsion.pump.revolutions': 24.5 + load / 2,
      'electrical.ac.pump.realPower': 2_100 + 400 * load,
      'propulsion.pump.runTime': 4_179 + index,
    };
  });
  const what = isThere
    ? 'temperature and vibration of a real hydraulic test rig, at 1 Hz, and made-up values for the rest'
    : 'made-up values: there is no recording here (HAWSER_TEST_DATA)';
  return { rows, what };
}

/** One sample a second, a minute in each line. */
function samplesOf(file: string, count: number): number[] {
  const samples: number[] = [];
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    samples.push(...line.trim().split(/\s+/).map(Number));
    if (samples.length >= count) break;
  }
  return samples.slice(0, count);
}
