/** Where the vessel example gets its logs from. What needs the npm registry is not tested here, but its absence is. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findLogs } from '../../device-examples/vessel/logs.js';
import { parseOptions } from '../../device-examples/vessel/options.js';
import { sharedData, skipWithout } from '../support/shared-data.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const navigation = fileURLToPath(new URL('../../device-examples/vessel/navigation.nmea', import.meta.url));

/** For the test: a registry that nobody answers for. */
function withoutRegistry(context: TestContext): void {
  const before = process.env['npm_config_registry'];
  process.env['npm_config_registry'] = 'http://127.0.0.1:9/';
  context.after(() => {
    if (before === undefined) delete process.env['npm_config_registry'];
    else process.env['npm_config_registry'] = before;
  });
}

describe('the logs of the vessel example', () => {
  test("a user's log that is not there or holds no sentence is an error", async (context) => {
    const folder = await temporaryDirectory(context);
    await assert.rejects(findLogs(join(folder, 'none.log'), 10), /ENOENT/);
    await writeFile(join(folder, 'prose.log'), 'Dear diary\n');
    await assert.rejects(findLogs(join(folder, 'prose.log'), 10), /prose\.log holds no NMEA 0183 reading/);
  });

  test('without network and without a file it says so and takes its own', async (context) => {
    withoutRegistry(context);
    const cache = await temporaryDirectory(context);
    await writeFile(join(cache, 'plaka.log'), 'cut short');
    const logs = await findLogs(undefined, 1_000, cache);
    assert.match(
      logs.notes[0]!,
      /^The yacht log could not be fetched \(npm pack failed\), and no --log FILE was given\.$/,
    );
    assert.match(logs.notes[1]!, /navigation\.nmea, a small log written for this example, not recorded on a vessel/);
    assert.deepEqual(
      Object.values(logs.files).map((path) => basename(path)),
      ['navigation.nmea', 'navigation.nmea', 'engine-room.nmea'],
    );
    assert.equal(logs.counts.navigation + logs.counts.weather, 1_000);
    assert.equal(logs.counts.engine, 750);
    assert.deepEqual(await readdir(cache), ['plaka.log'], 'nothing half fetched is left');
  });

  test("a user's log without an engine gets the engine room of the example, and says so", async () => {
    const { files, counts, notes } = await findLogs(navigation, 100_000);
    assert.equal(basename(files.engine), 'engine-room.nmea');
    assert.deepEqual(counts, { navigation: 600, weather: 750, engine: 750 });
    assert.ok(
      notes.some((note) => note.includes('1350 readings for the two; 100000 were asked for')),
      notes.join('\n'),
    );
    assert.ok(
      notes.some((note) => note.startsWith('Engine room: engine-room.nmea, a small log written for this example')),
    );
  });

  const twinEngine = 'data/vessel-rise-engine-0183/nmea_test_log.txt';
  test("a user's log with an engine is used for the engine room too", skipWithout(twinEngine), async () => {
    const { files, counts } = await findLogs(sharedData(twinEngine), 1_000);
    assert.equal(files.engine, sharedData(twinEngine));
    assert.equal(counts.navigation + counts.weather, 1_000);
    assert.equal(counts.engine, 1_000, 'limited as well');
  });
});

describe('the command line of the vessel example', () => {
  test('refuses what it does not know and values that are none', () => {
    assert.throws(() => parseOptions(['--bogus']), /--bogus/);
    assert.throws(() => parseOptions(['extra']), /extra/);
    for (const value of ['0', '-1', '1.5', 'many', '', '1000001']) {
      assert.throws(() => parseOptions([`--readings=${value}`]), /--readings must be a whole number from 1 to 1000000/);
    }
    assert.throws(() => parseOptions(['--data=']), /--data needs a path/);
  });

  test('has defaults', () => {
    const expected = { log: undefined, readings: 20_000, seconds: 20, data: undefined, keep: false, help: false };
    assert.deepEqual(parseOptions([]), expected);
  });
});
