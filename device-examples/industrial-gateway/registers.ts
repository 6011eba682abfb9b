/**
 * The register map: what the machine has where, and what becomes of it. The only file to change for another machine.
 *
 * Addresses count from 0, as on the wire; manuals often count from 1, or from 30001 and 40001.
 */
export interface Register {
  /** `input` is read with function 4, `holding` with function 3. */
  readonly table: 'input' | 'holding';
  readonly address: number;
  /** Types of 32 bits are two registers, the higher half first. */
  readonly type: 'int16' | 'uint16' | 'int32' | 'uint32' | 'float32';
  /** The value is the number of the register times `scale`, plus `offset`. */
  readonly scale: number;
  readonly offset: number;
  /** Of the value: always SI. */
  readonly unit: 'K' | 'Pa' | 'm/s' | 'Hz' | 'W' | 's';
  /** As in Signal K, where that has one. */
  readonly path: string;
  /** A value that differs by less from the last one that was saved is not saved. */
  readonly deadBand: number;
}

const KELVIN = 273.15;

/* prettier-ignore */
export const REGISTERS: readonly Register[] = [
  // table             address     type              scale          offset          unit         path                                  dead band
  { table: 'input',   address: 0, type: 'int16',   scale: 0.01,   offset: KELVIN, unit: 'K',   path: 'propulsion.pump.oilTemperature', deadBand: 0.1 },
  { table: 'input',   address: 1, type: 'uint16',  scale: 1e-6,   offset: 0,      unit: 'm/s', path: 'propulsion.pump.vibration',      deadBand: 2e-5 },
  { table: 'input',   address: 2, type: 'uint16',  scale: 10_000, offset: 0,      unit: 'Pa',  path: 'propulsion.pump.oilPressure',    deadBand: 50_000 },
  { table: 'input',   address: 3, type: 'uint16',  scale: 1 / 60, offset: 0,      unit: 'Hz',  path: 'propulsion.pump.revolutions',    deadBand: 0.1 },
  { table: 'input',   address: 4, type: 'float32', scale: 1_000,  offset: 0,      unit: 'W',   path: 'electrical.ac.pump.realPower',   deadBand: 50 },
  { table: 'holding', address: 8, type: 'uint32',  scale: 1,      offset: 0,      unit: 's',   path: 'propulsion.pump.runTime',        deadBand: 10 },
];
