/** NMEA 0183 as the vessel example reads it: made-up sentences, its own logs, and logs of real vessels where they are at hand. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NmeaReader, parseRole, type Reading, type Role } from '../../device-examples/vessel/readings.js';
import { replay } from '../../device-examples/vessel/replay.js';
import { sharedData, skipWithout } from '../support/shared-data.js';

/** A sentence with its checksum. */
function nmea(body: string): string {
  const sum = [...body].reduce((xor, character) => xor ^ character.charCodeAt(0), 0);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`;
}

function readAll(lines: readonly string[], role?: Role): { readings: Reading[]; damaged: number } {
  const reader = new NmeaReader(role);
  const readings = lines.flatMap((line, index) => reader.read(line, index + 1));
  return { readings, damaged: reader.damaged };
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'latin1').split('\n');
}

function example(name: string): string {
  return fileURLToPath(new URL(`../../device-examples/vessel/${name}`, import.meta.url));
}

function byRole(readings: readonly Reading[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { $source } of readings) counts[$source.split('.')[0]!] = (counts[$source.split('.')[0]!] ?? 0) + 1;
  return counts;
}

function valueOf(readings: readonly Reading[], path: string): unknown {
  return readings.find((reading) => reading.path === path)?.value;
}

describe('a reader of NMEA 0183', () => {
  test('counts a sentence with a wrong checksum and reads nothing from it', () => {
    const { readings, damaged } = readAll(['$IIVHW,,T,,M,06.11,N,11.31,K*52', nmea('IIVHW,,T,,M,06.11,N,11.31,K')]);
    assert.equal(damaged, 1);
    assert.deepEqual(
      readings.map(({ line }) => line),
      [2],
    );
  });

  test('passes over comments, empty lines, noise and sentences without a value', () => {
    const lines = [
      '# a comment',
      '',
      '\u0002A,348,013.21,M',
      '12.25 19.28 NAN',
      nmea('IIHDT,,T'),
      nmea('PSXN,20,1,0,0,0'),
    ];
    assert.deepEqual(readAll(lines), { readings: [], damaged: 0 });
  });

  test('passes over transducers that it does not know or that have no number', () => {
    const line = nmea(
      'ERXDR,P,,B,EngineOil#0,P,abc,B,EngineOil#0,P,1.0,?,EngineOil#0,C,20,C,Galley,C,80,C,EngineCoolant#0,C',
    );
    const { readings } = readAll([line]);
    assert.deepEqual(
      readings.map(({ path }) => path),
      ['propulsion.engine0.coolantTemperature'],
    );
  });

  test('refuses a node of a name it does not know', () => {
    assert.throws(() => parseRole('galley'), /navigation, weather, engine, not galley/);
    assert.throws(() => parseRole(undefined), /navigation, weather, engine/);
  });

  test('gives SI values with source, sentence and line, and no time', () => {
    const { readings } = readAll(['', nmea('GPVTG,224.44,T,224.44,M,10.00,N,18.52,K,A')]);
    const speed = readings.find(({ path }) => path === 'navigation.speedOverGround');
    assert.ok(typeof speed?.value === 'number' && Math.abs(speed.value - 5.144444) < 1e-5, String(speed?.value));
    assert.deepEqual(speed, {
      path: speed.path,
      value: speed.value,
      $source: 'navigation.GP',
      sentence: 'VTG',
      line: 2,
    });
  });

  test('reads transducers of the engine, in SI and under the same engine as its revolutions', () => {
    const { readings } = readAll([
      nmea('ERRPM,E,1,1850.4,,A'),
      nmea('ERXDR,P,4.12,B,EngineOil#1,C,73.4,C,EngineCoolant#1'),
      nmea('ERXDR,G,100,,EngineHours#1,R,3.6,l,Fuel#1,U,13.8,V,Alternator#1'),
    ]);
    assert.equal(valueOf(readings, 'propulsion.engine1.revolutions'), 1850.4 / 60);
    assert.equal(valueOf(readings, 'propulsion.engine1.oilPressure'), 412_000);
    assert.equal(valueOf(readings, 'propulsion.engine1.coolantTemperature'), 73.4 + 273.15);
    assert.equal(valueOf(readings, 'propulsion.engine1.runTime'), 360_000);
    assert.equal(valueOf(readings, 'propulsion.engine1.fuel.rate'), 1e-6);
    assert.equal(valueOf(readings, 'propulsion.engine1.alternatorVoltage'), 13.8);
    for (const { path } of readings) assert.match(path, /^propulsion\.[A-Za-z0-9]+\./, 'an ID that Signal K allows');
  });

  test('parts the sentences of a log between the nodes without losing or doubling one', () => {
    const lines = [...linesOf(example('navigation.nmea')), ...linesOf(example('engine-room.nmea'))];
    const roles: readonly Role[] = ['navigation', 'weather', 'engine'];
    const apart = roles.flatMap((role) => readAll(lines, role).readings);
    const together = readAll(lines).readings;
    assert.deepEqual(
      apart.sort((a, b) => a.line - b.line),
      together,
    );
    assert.deepEqual(byRole(together), { navigation: 600, weather: 750, engine: 750 });
  });

  test('the logs of the example have a right checksum on every sentence', () => {
    for (const name of ['navigation.nmea', 'engine-room.nmea']) {
      const sentences = linesOf(example(name)).filter((line) => line.startsWith('$'));
      assert.ok(sentences.length >= 500);
      for (const sentence of sentences) assert.equal(sentence, nmea(sentence.slice(1, -3)), name);
    }
  });
});

describe('a replay', () => {
  const never = new AbortController().signal;

  async function play(role: Role, count: number, signal = never): Promise<Reading[]> {
    const readings: Reading[] = [];
    for await (const batch of replay(example('navigation.nmea'), role, { count, rate: 20_000, signal }))
      readings.push(...batch);
    return readings;
  }

  test('plays as many readings as asked for, and no more than there are', async () => {
    assert.equal((await play('weather', 0)).length, 0);
    assert.equal((await play('weather', 123)).length, 123);
    assert.equal((await play('weather', 1e9)).length, 750);
    assert.equal((await play('engine', 10)).length, 0);
  });

  test('plays the same readings each time', async () => {
    assert.deepEqual(await play('navigation', 100), (await play('navigation', 200)).slice(0, 100));
  });

  test('ends when it is told to', async () => {
    assert.deepEqual(await play('navigation', 100, AbortSignal.abort()), []);
  });
});

describe('logs of real vessels', () => {
  const twinEngine = 'data/vessel-rise-engine-0183/nmea_test_log.txt';
  test('a twin-engine vessel at the quay gives every reading, transducers included', skipWithout(twinEngine), () => {
    const { readings, damaged } = readAll(linesOf(sharedData(twinEngine)!));
    const transducers = readings.filter(({ sentence }) => sentence === 'XDR');
    assert.equal(damaged, 0);
    // 440 sentences in rounds of five, with ten transducers a round.
    assert.equal(transducers.length, 880);
    assert.equal(new Set(transducers.map(({ line }) => line)).size, 440);
    // What the parser finds by itself, less the magnetic variation that all 87 RMC sentences leave empty.
    assert.equal(readings.length - transducers.length, 3_134 - 87);
    assert.deepEqual(byRole(readings), { navigation: 2_697, weather: 176, engine: 174 + 880 });
    assert.equal(valueOf(readings, 'propulsion.engine0.revolutions'), 0);
    assert.equal(valueOf(readings, 'propulsion.engine0.temperature'), 45 + 273.15);
    assert.equal(valueOf(readings, 'propulsion.engine0.boostPressure'), 106_000);
    assert.equal(valueOf(readings, 'propulsion.engine1.runTime'), 5_681.55 * 3_600);
    assert.equal(valueOf(readings, 'environment.inside.temperature'), 24.3 + 273.15);
  });

  const seapath = 'data/vessel-nbp1406/NBP1406_s330-2014-08-01.log';
  test('a logger may write its time before each sentence', skipWithout(seapath), () => {
    const { readings, damaged } = readAll(linesOf(sharedData(seapath)!));
    assert.deepEqual([readings.length, damaged], [11_875, 0]);
  });

  const rolledOver = 'data/vessel-nbp1406/NBP1406_PCOD-2014-08-01.log';
  test(
    'a clock that is 1,024 weeks slow reaches no reading but the one it is the value of',
    skipWithout(rolledOver),
    () => {
      const { readings, damaged } = readAll(linesOf(sharedData(rolledOver)!));
      assert.deepEqual([readings.length, damaged], [19_000, 0]);
      const dated = readings.filter((reading) => JSON.stringify(reading).includes('1994-12-1'));
      assert.deepEqual([...new Set(dated.map(({ path }) => path))], ['navigation.datetime']);
      assert.equal(dated.length, 2_000);
    },
  );

  const mast = 'data/vessel-nbp1406/NBP1406_mwx1-2014-08-01.log';
  test('instruments that speak no NMEA 0183 give nothing and disturb nothing', skipWithout(mast), () => {
    assert.deepEqual(readAll(linesOf(sharedData(mast)!)), { readings: [], damaged: 0 });
  });
});
