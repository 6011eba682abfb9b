/**
 * The machine of the example, in place of a real one: a hydraulic pump that answers Modbus RTU on a serial port. It plays what
 * log.ts finds, again and again, a row every MACHINE_ROW_MS.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ServerSerial } from 'modbus-serial';
import { numberSetting, setting, stopping } from '../shared/program.js';
import { encode } from './codec.js';
import { rowsOf } from './log.js';
import { REGISTERS } from './registers.js';

const rowMs = numberSetting('MACHINE_ROW_MS', { from: 1 });

const ROWS = 3_600;

/** By table and address. */
const registers = { input: new Map<number, number>(), holding: new Map<number, number>() };

function show(row: Readonly<Record<string, number>>): void {
  for (const register of REGISTERS) {
    const bytes = encode(register, row[register.path] ?? 0);
    for (let at = 0; at < bytes.length; at += 2) {
      registers[register.table].set(register.address + at / 2, bytes.readUInt16BE(at));
    }
  }
}

const played = rowsOf(ROWS);
console.log(`plays ${played.what}`);
show(played.rows[0] ?? {});
const server = new ServerSerial(
  {
    getInputRegister: (address: number) => registers.input.get(address) ?? 0,
    getHoldingRegister: (address: number) => registers.holding.get(address) ?? 0,
  },
  { path: setting('MACHINE_PORT'), baudRate: numberSetting('MACHINE_BAUD_RATE', { from: 1_200 }), unitID: 1 },
);
server.on('error', () => undefined).on('socketError', () => undefined);

for (let index = 0; !stopping.aborted; index = (index + 1) % ROWS) {
  show(played.rows[index] ?? {});
  await delay(rowMs, undefined, { signal: stopping }).catch(() => undefined);
}
server.close(() => undefined);
