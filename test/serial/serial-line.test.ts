/** The simulated serial line, with real devices and programs that open them. */
import assert from 'node:assert/strict';
import { existsSync, readlinkSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';
import { isHawserError, seededRandom } from '../../src/index.js';
import { openSerialLine, type Relay } from '../conformance/serial-line/index.js';
import { availableRelays } from '../conformance/serial-line/relays.js';
import { cleanup } from '../support/cleanup.js';
import { startChild } from '../support/child-process.js';
import { pathsOf, PortUser, serialLine, withoutSerialLine } from './port-user.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);
const RELAYS: readonly Relay[] = ['python3', 'socat'];
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

test('a simulated line refuses options that it does not understand', async () => {
  const refused: readonly [options: object, code: string, message: RegExp][] = [
    [{ ends: 1 }, 'ARGUMENT_INVALID', /ends must be an integer from 2 to 33/],
    [{ ends: 34, halfDuplex: true }, 'ARGUMENT_INVALID', /ends/],
    [{ ends: 3 }, 'ARGUMENT_INVALID', /more than 2 ends need halfDuplex/],
    [{ baudRate: -1 }, 'ARGUMENT_INVALID', /baudRate/],
    [{ dropRate: 1.1 }, 'ARGUMENT_INVALID', /dropRate must be a number from 0 to 1/],
    [{ bitErrorRate: NaN }, 'ARGUMENT_INVALID', /bitErrorRate/],
    [{ halfDuplex: 1 }, 'ARGUMENT_INVALID', /halfDuplex/],
    [{ relay: 'cat' }, 'ARGUMENT_INVALID', /relay/],
    [{ speed: 9_600 }, 'OPTION_UNKNOWN', /"speed"/],
  ];
  for (const [options, code, message] of refused) {
    await assert.rejects(openSerialLine(options), (error) => {
      assert.ok(isHawserError(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  }
});

for (const relay of RELAYS) {
  const skip = withoutSerialLine || (availableRelays().includes(relay) ? false : `${relay} is not installed`);

  describe(`a simulated line held by ${relay}`, { timeout: 120_000, skip }, () => {
    test('carries every byte both ways at once, and counts them', async (context) => {
      const line = await serialLine(context, { relay });
      const [a, b] = await Promise.all(pathsOf(line).map((path) => PortUser.open(context, path)));
      assert.ok(a !== undefined && b !== undefined);
      const there = Buffer.concat([ALL_BYTES, seededRandom(SEED).bytes(200_000)]);
      const back = Buffer.concat([ALL_BYTES, seededRandom(SEED + 1).bytes(200_000)]);
      const all = Promise.all([b.until(there.length), a.until(back.length)]);
      await Promise.all([a.write(there), b.write(back)]);
      const [gotThere, gotBack] = await all;
      assert.ok(gotThere.equals(there) && gotBack.equals(back));
      for (const { sentBytes, receivedBytes } of line.ends) {
        assert.equal(sentBytes, there.length);
        assert.equal(receivedBytes, there.length);
      }
      const { bytes, overrunBytes } = line.statistics;
      assert.deepEqual({ bytes, overrunBytes }, { bytes: 2 * there.length, overrunBytes: 0 });
    });

    test('is no faster than its baud rate', async (context) => {
      const line = await serialLine(context, { relay, baudRate: 19_200 });
      const [a, b] = await Promise.all(pathsOf(line).map((path) => PortUser.open(context, path)));
      const start = performance.now();
      a?.port.write(seededRandom(SEED).bytes(384));
      await b?.until(384);
      const took = performance.now() - start;
      assert.ok(took >= 199, `${took} ms instead of 200`);
      assert.ok(took < 5_000, `${took} ms instead of 200`);
    });

    test('makes a port that is faster wait, and holds few bytes itself', async (context) => {
      const line = await serialLine(context, { relay, baudRate: 115_200 });
      const [a, b] = await Promise.all(pathsOf(line).map((path) => PortUser.open(context, path)));
      const writing = a?.write(new Uint8Array(60_000));
      for (let length = 1_000; length <= 6_000; length += 1_000) {
        await b?.until(length);
        const held = (line.ends[0]?.sentBytes ?? 0) - (b?.received.length ?? 0);
        assert.ok(held < 16_000, `${held} bytes`);
      }
      assert.equal(a?.port.writable, false);
      await a?.close();
      await line.close();
      await writing;
    });

    test('unplugged, an end disappears; plugged in again, it is back under the same path', async (context) => {
      const line = await serialLine(context, { relay });
      const [pathA, pathB] = pathsOf(line);
      const a = await PortUser.open(context, pathA);
      const b = await PortUser.open(context, pathB);
      const device = realpathSync(pathA);
      await line.unplug(0);
      assert.equal((await a.lost).code, 'SERIAL_PORT_LOST');
      assert.equal(existsSync(pathA), false);
      assert.equal(line.ends[0]?.isPluggedIn, false);
      assert.ok(!existsSync(device) || realpathSync(device) === device);
      await b.write(Buffer.from('into the void'));
      while (line.ends[1]?.sentBytes !== 13) await new Promise(setImmediate);
      await line.unplug(0);

      await Promise.all([line.replug(0), line.replug(0)]);
      assert.equal(line.ends[0].isPluggedIn, true);
      assert.match(readlinkSync(pathA), /^\/dev\/pts\/\d+$/);
      const again = await PortUser.open(context, pathA);
      const arrived = again.until(5);
      await b.write(Buffer.from('hello'));
      assert.equal((await arrived).toString(), 'hello');
      const answered = b.until(2);
      await again.write(Buffer.from('hi'));
      assert.equal((await answered).toString(), 'hi');
    });

    test('keeps its device when a program closes it and another opens it', async (context) => {
      const line = await serialLine(context, { relay });
      const [pathA, pathB] = pathsOf(line);
      const b = await PortUser.open(context, pathB);
      const device = realpathSync(pathA);
      for (let round = 1; round <= 3; round++) {
        const a = await PortUser.open(context, pathA);
        await a.write(Buffer.from('ping'));
        await b.until(4 * round);
        await b.write(Buffer.from('pong'));
        assert.equal((await a.until(4)).toString(), 'pong');
        await a.close();
      }
      assert.equal(realpathSync(pathA), device);
    });

    test('leaves no process, no device and no file', async () => {
      const before = process.getActiveResourcesInfo().filter(isOfLine).length;
      const line = await openSerialLine({ relay, ends: 3, halfDuplex: true });
      assert.ok(process.getActiveResourcesInfo().filter(isOfLine).length > before);
      const [path] = pathsOf(line);
      await line.unplug(1);
      await Promise.all([line.close(), line.close()]);
      assert.equal(process.getActiveResourcesInfo().filter(isOfLine).length, before);
      assert.equal(existsSync(dirname(path)), false);
      await line.replug(1); // too late, and no error: a test may be over before its faults are
      assert.equal(line.ends[1]?.isPluggedIn, false);
    });

    test('ends with the process that opened it, even when that is killed', async (context) => {
      const child = startChild(context, '../serial/line-process.ts', [JSON.stringify({ relay })]);
      const path = await child.line();
      assert.ok(path !== undefined && existsSync(path), `${path}${child.errors()}`);
      cleanup(context, () => rm(dirname(path), { recursive: true })); // who is killed cannot
      const user = await PortUser.open(context, path);
      await child.kill();
      assert.equal((await user.lost).code, 'SERIAL_PORT_LOST'); // only the relay held the other side of the device
    });
  });
}

const usual = { timeout: 120_000, skip: withoutSerialLine };

test(
  'what is sent to a port that nobody has open is lost',
  {
    skip: withoutSerialLine || (availableRelays().includes('python3') ? false : 'python3 is not installed'),
  },
  async (context) => {
    const line = await serialLine(context, { relay: 'python3' });
    const [pathA, pathB] = pathsOf(line);
    const a = await PortUser.open(context, pathA);
    await a.write(Buffer.alloc(300_000, '.')); // more than fits into all buffers on the way
    while (line.ends[0]?.sentBytes !== 300_000) await new Promise(setImmediate);
    const b = await PortUser.open(context, pathB);
    await a.write(Buffer.from('!'));
    while (!b.received.includes('!')) await b.until(b.received.length + 1);
    assert.ok(b.received.length < 50_000, `${b.received.length} of 300,000 bytes were kept`);
  },
);

test('noise reaches one end at once, beside what is sent', usual, async (context) => {
  const line = await serialLine(context, { baudRate: 300 });
  const [pathA, pathB] = pathsOf(line);
  const a = await PortUser.open(context, pathA);
  const b = await PortUser.open(context, pathB);
  line.noise(1, ALL_BYTES);
  assert.ok((await b.until(256)).equals(ALL_BYTES));
  assert.equal(a.received.length, 0);
  assert.equal(line.statistics.bytes, 0);
  assert.throws(() => line.noise(2, ALL_BYTES), { code: 'ARGUMENT_INVALID' });
});

test('a muted line swallows what is sent, and errors can be changed on the way', usual, async (context) => {
  const line = await serialLine(context);
  const [pathA, pathB] = pathsOf(line);
  const a = await PortUser.open(context, pathA);
  const b = await PortUser.open(context, pathB);
  const sent = async (text: string): Promise<void> => {
    const before = line.statistics.bytes;
    await a.write(Buffer.from(text));
    // That it has left the machine does not mean that the line has carried it.
    while (line.statistics.bytes < before + text.length) await new Promise(setImmediate);
  };
  await sent('one ');
  line.mute();
  await sent('two ');
  line.unmute();
  line.setErrors({ dropRate: 1 });
  await sent('three ');
  line.setErrors({});
  await sent('four');
  assert.equal((await b.until(8)).toString(), 'one four');
  assert.equal(line.statistics.mutedBytes, 4);
  assert.equal(line.statistics.droppedBytes, 6);
  assert.throws(() => line.setErrors({ dropRate: 2 }), { code: 'ARGUMENT_INVALID' });
});

test(
  `on a bus all others hear what one says, and two at once garble each other, seed ${SEED}`,
  usual,
  async (context) => {
    const line = await serialLine(context, { ends: 4, halfDuplex: true, baudRate: 4_800, seed: SEED });
    const users = await Promise.all(pathsOf(line).map((path) => PortUser.open(context, path)));
    const [a, b, c, d] = users as [PortUser, PortUser, PortUser, PortUser];
    await b.write(Buffer.from('good morning'));
    for (const user of [a, c, d]) assert.equal((await user.until(12)).toString(), 'good morning');
    assert.equal(b.received.length, 0);
    assert.equal(line.statistics.collisions, 0);

    const long = Buffer.alloc(500, 'a'); // takes 1,042 ms
    const heard = d.until(12 + 5);
    await a.write(long);
    await heard;
    await c.write(Buffer.alloc(20, 'c'));
    await b.until(500 + 20);
    assert.ok(line.statistics.collisions >= 1);
    const intact = b.received.toString('latin1').match(/[ac]/g) ?? [];
    const { garbledBytes } = line.statistics;
    assert.ok(garbledBytes >= 20, String(garbledBytes));
    assert.ok(intact.length <= 520 - garbledBytes + 10, `${intact.length} of 520 intact`); // some look intact by chance
  },
);

test('33 ends are on one bus', usual, async (context) => {
  const line = await serialLine(context, { ends: 33, halfDuplex: true, baudRate: 115_200 });
  const users = await Promise.all(pathsOf(line).map((path) => PortUser.open(context, path)));
  const gateway = users[0] as PortUser;
  await gateway.write(Buffer.from('report!'));
  await Promise.all(users.slice(1).map((user) => user.until(7)));
  for (const [index, user] of users.entries()) {
    if (user === gateway) continue;
    await user.write(Buffer.from([index]));
    await gateway.until(index);
  }
  assert.deepEqual([...gateway.received], [...users.keys()].slice(1));
  assert.equal(line.statistics.collisions, 0);
});

test('a relay that is asked for and not there is named', usual, async (context) => {
  const child = startChild(context, '../serial/line-process.ts', ['{"relay":"socat"}'], ['--import', NO_PATH]);
  const said = await child.line();
  assert.match(said ?? child.errors(), /^DEPENDENCY_MISSING: .*socat/);
});

/** With `--import`: a process that finds no programs. */
const NO_PATH = 'data:text/javascript,process.env.PATH="/nowhere"';

function isOfLine(resource: string): boolean {
  return resource === 'ProcessWrap' || resource === 'PipeWrap' || resource === 'PipeServerWrap';
}
