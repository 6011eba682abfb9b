/**
 * The gateway: asks a machine for its registers, saves what has changed, and pushes it to a station. It saves whether the station can
 * be reached or not.
 *
 *   MODBUS_PORT=/dev/ttyUSB0 STATION_URL=wss://… STATION_FINGERPRINT=… GATEWAY_PASSWORD=… GATEWAY_FOLDER=… \
 *     [MODBUS_BAUD_RATE=19200] [MODBUS_PARITY=even] [MODBUS_UNIT=1] [POLL_MS=1000] node --import tsx gateway.ts
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BasicAuthenticator, Database, Replicator } from 'hawser';
import { URLEndpoint } from 'hawser/websocket';
import {
  choiceSetting,
  flush,
  lastNumber,
  numberSetting,
  setting,
  stopping,
  watchCount,
  watchLink,
} from '../shared/program.js';
import { blocksOf, valuesOf } from './codec.js';
import { Machine } from './modbus.js';
import { REGISTERS, type Register } from './registers.js';

const unit = numberSetting('MODBUS_UNIT', { from: 1, to: 247, fallback: 1 });
const machine = new Machine({
  unit,
  path: setting('MODBUS_PORT'),
  baudRate: numberSetting('MODBUS_BAUD_RATE', { from: 1_200, fallback: 19_200 }),
  parity: choiceSetting('MODBUS_PARITY', ['even', 'odd', 'none']),
  timeoutMs: 1_000,
});
const pollMs = numberSetting('POLL_MS', { from: 10, fallback: 1_000 });
const target = new URLEndpoint(setting('STATION_URL'));
const authenticator = new BasicAuthenticator('gateway', setting('GATEWAY_PASSWORD'));
const pinnedServerFingerprint = setting('STATION_FINGERPRINT'); // the password goes to nobody else

const database = await Database.open(setting('GATEWAY_FOLDER'), { fullSync: true }); // a power cut must not give a number twice
const readings = database.collection('readings');
const replicator = new Replicator({
  ...{ collections: [readings], target, authenticator, pinnedServerFingerprint },
  ...{ type: 'push', continuous: true },
});
watchLink(replicator, 'station');
watchCount('saved', readings);
replicator.start();

const source = `modbus.${unit}`;
const lastSaved = new Map<Register, number>();
// An ID is the source and a number that goes on where the last run ended. Not the time: clocks jump.
let count = await lastNumber(readings);

/** What has changed enough. */
async function save(values: ReadonlyMap<Register, number>): Promise<void> {
  const timestamp = new Date().toISOString(); // for people
  const changed = [...values].filter(([register, value]) => {
    const last = lastSaved.get(register);
    return last === undefined || Math.abs(value - last) >= register.deadBand;
  });
  // All at once: hawser writes them in one transaction, and each promise resolves when its document is on disk.
  await Promise.all(
    changed.map(([register, value]) => {
      lastSaved.set(register, value);
      const { path, unit } = register;
      return readings.save(`${source}-${++count}`, { $source: source, path, value, unit, timestamp });
    }),
  );
}

let answers: boolean | undefined;
function tellWhether(isThere: boolean, reason = ''): void {
  if (isThere !== answers) console.log(isThere ? 'the machine answers' : `the machine does not answer (${reason})`);
  answers = isThere;
}

const blocks = blocksOf(REGISTERS);
while (!stopping.aborted) {
  for (const block of blocks) {
    const bytes = await machine.read(block).catch(({ message }: Error) => tellWhether(false, message));
    if (bytes === undefined) break;
    tellWhether(true);
    await save(valuesOf(block, bytes));
  }
  await delay(pollMs, undefined, { signal: stopping }).catch(() => undefined);
}
await machine.close();
await flush(replicator, readings);
await database.close(); // stops the replicator first
