/** The register table of the Modbus gateway: what its bytes mean, and that nothing in it is out of place. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { blocksOf, encode, valuesOf } from '../../device-examples/industrial-gateway/codec.js';
import { rowsOf } from '../../device-examples/industrial-gateway/log.js';
import { REGISTERS, type Register } from '../../device-examples/industrial-gateway/registers.js';
import { sharedData, skipWithout } from '../support/shared-data.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const PLAIN: Register = {
  ...{ table: 'input', address: 0, type: 'int16', scale: 1, offset: 0, unit: 'K', path: 'a.b', deadBand: 0 },
};

function read(register: Register, bytes: readonly number[]): number | undefined {
  const [block] = blocksOf([register]);
  assert.ok(block !== undefined);
  return valuesOf(block, Buffer.from(bytes)).get(register);
}

/** The environment as it was, after the test. */
function setTestData(context: TestContext, folder: string): void {
  const { HAWSER_TEST_DATA: before } = process.env;
  process.env['HAWSER_TEST_DATA'] = folder;
  context.after(() => {
    if (before === undefined) delete process.env['HAWSER_TEST_DATA'];
    else process.env['HAWSER_TEST_DATA'] = before;
  });
}

describe('registers to values', () => {
  const cases: readonly (readonly [Partial<Register>, readonly number[], number])[] = [
    [{ type: 'int16' }, [0xff, 0xfe], -2],
    [{ type: 'uint16' }, [0xff, 0xfe], 65_534],
    [{ type: 'int32' }, [0xff, 0xff, 0xff, 0xfe], -2],
    [{ type: 'uint32' }, [0x00, 0x01, 0x00, 0x02], 65_538],
    [{ type: 'float32' }, [0x40, 0x20, 0x00, 0x00], 2.5],
    [{ type: 'int16', scale: 0.1, offset: 273.15 }, [0x01, 0x65], 308.85],
  ];
  for (const [register, bytes, value] of cases) {
    test(`${JSON.stringify(register)} of ${Buffer.from(bytes).toString('hex')} is ${value}`, () => {
      assert.equal(read({ ...PLAIN, ...register }, bytes), value);
    });
  }

  test('one request for each table, from the first register to the end of the last', () => {
    const registers: Register[] = [
      { ...PLAIN, address: 7, type: 'float32' },
      { ...PLAIN, table: 'holding', address: 40 },
      { ...PLAIN, address: 3 },
    ];
    const blocks = blocksOf(registers).map(({ table, address, length }) => ({ table, address, length }));
    assert.deepEqual(blocks, [
      { table: 'input', address: 3, length: 6 },
      { table: 'holding', address: 40, length: 1 },
    ]);
  });

  test('a table that no request could read is refused', () => {
    assert.throws(() => blocksOf([PLAIN, { ...PLAIN, address: 125 }]), /more than 125/);
  });
});

describe('the table of the example', () => {
  test('has no register twice, and no two that overlap', () => {
    const taken = REGISTERS.flatMap(({ table, address, type }) =>
      Array.from({ length: type.endsWith('16') ? 1 : 2 }, (_, index) => `${table} ${address + index}`),
    );
    assert.equal(new Set(taken).size, taken.length);
    assert.equal(new Set(REGISTERS.map(({ path }) => path)).size, REGISTERS.length);
  });

  test('has paths in the form of Signal K', () => {
    for (const { path } of REGISTERS) assert.match(path, /^[a-z][A-Za-z]*(\.[A-Za-z0-9]+)+$/);
  });

  for (const [what, options] of [
    ['made up', {}],
    ['recorded', skipWithout('data/industrial-hydraulic-rig')],
  ] as const) {
    test(`carries what is ${what}, within half a step of a register`, options, async (context) => {
      const folder = what === 'recorded' ? sharedData('.') : await temporaryDirectory(context);
      setTestData(context, folder ?? '');
      const played = rowsOf(200);
      assert.match(played.what, what === 'recorded' ? /real hydraulic test rig/ : /^made-up values/);
      assert.equal(played.rows.length, 200);
      for (const row of played.rows) {
        for (const register of REGISTERS) {
          const value = row[register.path];
          assert.ok(value !== undefined && Number.isFinite(value), register.path);
          const back = read(register, [...encode(register, value)]);
          assert.ok(Math.abs((back ?? NaN) - value) <= register.scale / 2 + Math.abs(value) * 1e-5, register.path);
          assert.ok(register.deadBand >= register.scale || register.type === 'float32', `${register.path}: dead band`);
        }
      }
    });
  }
});
