/**
 * The example on one machine: a pump that answers Modbus on a serial line without hardware, the gateway and the station, each a
 * process. The adapter of the gateway is unplugged, and the station is killed and comes back. In the end all documents are compared.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openSerialLine, serialLineProblem } from 'hawser/testing';
import { compare } from '../shared/compare.js';
import { perform } from '../shared/perform.js';

const USAGE = `Usage: npm run demo:modbus -- [options]

A gateway reads the registers of a machine by Modbus RTU, over a serial line without hardware, saves what changes and pushes it to a
station over wss. Its adapter is unplugged once, and the station is killed and started again. The exit status is 0 only if gateway and
station have the same documents in the end.

  --seconds N   how long the machine is watched, outages not counted (default 8)
  --help        print this`;

const BAUD_RATE = 19_200;
const ROW_MS = 100;

await perform({
  name: 'industrial-gateway',
  usage: USAGE,
  options: { seconds: { default: 8, from: 1, to: 3_600 } },
  play: async (stage, { seconds }) => {
    const problem = serialLineProblem();
    if (problem !== undefined) throw new Error(`there can be no serial line without hardware here: ${problem}`);
    const line = await openSerialLine({ halfDuplex: true, baudRate: BAUD_RATE });
    stage.defer(() => line.close());
    const [gatewayPort, machinePort] = line.ends.map(({ path }) => path);
    const folders = { gateway: join(stage.folder, 'gateway'), station: join(stage.folder, 'station') };
    const GATEWAY_PASSWORD = randomBytes(24).toString('base64url');

    const startStation = (port: string) =>
      stage.start('station', new URL('station.ts', import.meta.url), {
        ...{ GATEWAY_PASSWORD, STATION_FOLDER: folders.station, STATION_PORT: port },
      });
    let station = startStation('0');
    const [, url = '', fingerprint = ''] = (await station.line(/^listens on (\S+), fingerprint (\S+)$/)).match;

    const gateway = stage.start('gateway', new URL('gateway.ts', import.meta.url), {
      ...{ GATEWAY_PASSWORD, GATEWAY_FOLDER: folders.gateway, STATION_URL: url, STATION_FINGERPRINT: fingerprint },
      ...{ MODBUS_PORT: gatewayPort ?? '', MODBUS_BAUD_RATE: String(BAUD_RATE), POLL_MS: '50' },
    });
    await gateway.line(/^the machine does not answer/); // nobody has switched it on
    const machine = stage.start('machine', new URL('machine.ts', import.meta.url), {
      ...{ MACHINE_PORT: machinePort ?? '', MACHINE_BAUD_RATE: String(BAUD_RATE) },
      MACHINE_ROW_MS: String(ROW_MS),
    });
    await gateway.line(/^the machine answers/);

    const half = (): Promise<void> => delay(seconds * 500, undefined, { signal: stage.signal });
    await half();
    stage.tell('the adapter of the gateway is unplugged');
    const before = gateway.said;
    await line.unplug(0);
    await gateway.line(/^the machine does not answer/, before);
    await line.replug(0);
    stage.tell('it is plugged in again');
    await gateway.line(/^the machine answers/, before);

    await station.counted('stored', 1);
    stage.tell(`${station.count('stored')} documents are on the station: it is killed (SIGKILL)`);
    const beforeKill = gateway.said;
    await station.kill();
    await gateway.line(/^offline/, beforeKill);
    const saved = gateway.count('saved');
    await gateway.counted('saved', saved + 1);
    stage.tell(`the gateway has saved ${gateway.count('saved') - saved} more, and the station is started again`);
    station = startStation(new URL(url).port);
    await gateway.line(/^connected/, beforeKill);
    await half();

    await gateway.stop();
    await Promise.all([machine.stop(), station.stop()]);
    return compare([{ who: 'gateway', folder: folders.gateway, collection: 'readings' }], {
      who: 'station',
      folder: folders.station,
      collection: 'readings',
    });
  },
});
