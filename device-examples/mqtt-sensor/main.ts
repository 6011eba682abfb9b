/**
 * The example on one machine: a sensor, a station and a broker between them, which is killed half-way and comes back. A file takes the
 * place of the sensor. In the end all documents are compared.
 */
import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compare } from '../shared/compare.js';
import { perform } from '../shared/perform.js';
import { makeBroker, MOSQUITTO } from './broker.js';

const USAGE = `Usage: npm run demo:mqtt -- [options]

A sensor that sleeps most of the time pushes what it has measured to a station, through an MQTT broker that need not be trusted, over a
metered link. Half-way the broker is killed and started again. The exit status is 0 only if sensor and station have the same documents
in the end.

  --broker NAME   mosquitto or aedes (default: mosquitto where it is installed)
  --seconds N     how long it is measured, outages not counted (default 8)
  --help          print this`;

const SLEEP_SECONDS = 2;
const BYTES_PER_SECOND = 4_000;
const CHANGES_A_SECOND = 5;

await perform({
  name: 'mqtt-sensor',
  usage: USAGE,
  options: {
    broker: { default: MOSQUITTO === undefined ? 'aedes' : 'mosquitto', choices: ['mosquitto', 'aedes'] },
    seconds: { default: 8, from: 1, to: 3_600 },
  },
  play: async (stage, { broker: kind, seconds }) => {
    const passwordOf = { weather: newPassword(), station: newPassword() };
    const broker = await makeBroker(kind === 'aedes' ? 'aedes' : 'mosquitto', join(stage.folder, 'broker'), passwordOf);
    stage.defer(() => broker.kill());
    await broker.start();
    stage.tell(`the broker is ${broker.what} at ${broker.url}`);

    const folders = { sensor: join(stage.folder, 'sensor'), station: join(stage.folder, 'station') };
    const secret = newPassword();
    const shared = { BROKER_URL: broker.url, BROKER_CA: broker.authority };
    const station = stage.start('station', new URL('station.ts', import.meta.url), {
      ...{ ...shared, BROKER_PASSWORD: passwordOf.station, STATION_FOLDER: folders.station },
      SENSOR_PASSWORDS: JSON.stringify({ weather: secret }),
    });
    const [, fingerprint = ''] = (await station.line(/fingerprint (\S+)$/)).match;
    const file = join(stage.folder, 'temp1_input');
    const sensor = stage.start('sensor', new URL('sensor.ts', import.meta.url), {
      ...{ ...shared, BROKER_PASSWORD: passwordOf.weather, STATION_PASSWORD: secret, STATION_FINGERPRINT: fingerprint },
      ...{ SENSOR_NAME: 'weather', SENSOR_FOLDER: folders.sensor, SENSOR_FILE: file },
      ...{ SENSOR_PATH: 'environment.outside.temperature', SENSOR_INTERVAL_MS: '50' },
      ...{ SLEEP_SECONDS: String(SLEEP_SECONDS), BYTES_PER_SECOND: String(BYTES_PER_SECOND) },
    });
    const isOver = new AbortController();
    const changing = change(file, AbortSignal.any([stage.signal, isOver.signal]));
    const half = (): Promise<void> => delay(seconds * 500, undefined, { signal: stage.signal });

    await sensor.line(/^awake: \d+ readings sent/);
    await half();
    const before = sensor.said;
    await broker.kill();
    stage.tell('the broker is killed');
    await sensor.line(/^awake: the station cannot be reached/, before);
    await broker.start();
    stage.tell('the broker is back, and knows nothing of what was before');
    await sensor.line(/^awake: \d+ readings sent/, before);
    await half();
    isOver.abort();
    await changing;

    await sensor.stop();
    await station.stop();
    return compare([{ who: 'sensor', folder: folders.sensor, collection: 'readings' }], {
      who: 'station',
      folder: folders.station,
      collection: 'readings',
    });
  },
});

/** The weather changes, until the signal fires: thousandths of a degree, as hwmon shows them. */
async function change(file: string, signal: AbortSignal): Promise<void> {
  for (let step = 0; !signal.aborted; step++) {
    // Whole or not at all, as the kernel does it.
    await writeFile(`${file}.new`, `${Math.round(12_000 + 4_000 * Math.sin(step / 20))}\n`);
    await rename(`${file}.new`, file);
    await delay(1_000 / CHANGES_A_SECOND, undefined, { signal }).catch(() => undefined);
  }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
