/**
 * A sensor as Linux shows it: a file that holds a number. `/sys/bus/iio/devices/iio:device0/in_voltage0_raw` is an analog input,
 * `/sys/class/hwmon/hwmon0/temp1_input` a thermometer in thousandths of a degree.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface SensorFile {
  readonly path: string;
  /** The value is the number of the file times `scale`, plus `offset`: from its unit to that of SI. */
  readonly scale: number;
  readonly offset: number;
  readonly intervalMs: number;
  /** A value that differs by less from the last one that was given is not given. */
  readonly deadBand: number;
}

/** Its values, until the signal fires. A sensor that cannot be read now is read later. */
export async function* changesOf(sensor: SensorFile, signal: AbortSignal): AsyncGenerator<number> {
  const { path, scale, offset, intervalMs, deadBand } = sensor;
  let last = Infinity;
  while (!signal.aborted) {
    const text = (await readFile(path, 'latin1').catch(() => '')).trim();
    const value = Number(text) * scale + offset;
    if (text !== '' && Number.isFinite(value) && Math.abs(value - last) >= deadBand) yield (last = value);
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
