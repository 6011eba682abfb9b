/** A serial port of its own library, on real devices: pseudo-terminals. */
import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { describe, test, type TestContext } from 'node:test';
import { seededRandom } from '../../src/index.js';
import type { SerialPortOptions } from '../../transports/serial/port-options.js';
import { availableRelays } from '../conformance/serial-line/relays.js';
import { startChild } from '../support/child-process.js';
import { pathsOf, PortUser, serialLine, withoutSerialLine } from './port-user.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_203);
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const usual = { timeout: 120_000, skip: withoutSerialLine };

describe(`an open port, seed ${SEED}`, usual, () => {
  async function pair(
    context: TestContext,
    options: Partial<SerialPortOptions> = {},
  ): Promise<{ a: PortUser; b: PortUser; line: Awaited<ReturnType<typeof serialLine>> }> {
    const line = await serialLine(context);
    const [pathA, pathB] = pathsOf(line);
    const a = await PortUser.open(context, pathA, options);
    return { a, b: await PortUser.open(context, pathB, options), line };
  }

  for (const options of [
    {},
    { baudRate: 9_600, parity: 'even', stopBits: 2 },
    { baudRate: 250_000, rtscts: true },
  ] as const) {
    test(`carries all values of a byte both ways with ${JSON.stringify(options)}`, async (context) => {
      const { a, b } = await pair(context, options);
      const bytes = Buffer.concat([ALL_BYTES, seededRandom(SEED).bytes(50_000), ALL_BYTES]);
      const all = Promise.all([a.until(bytes.length), b.until(bytes.length)]);
      await Promise.all([a.write(bytes), b.write(bytes, 77)]);
      for (const received of await all) assert.ok(received.equals(bytes));
    });
  }

  for (const baudRate of [115_200, 250_000]) {
    test(`begins with nothing of what came before it was opened, at ${baudRate} baud`, async (context) => {
      if (!availableRelays().includes('socat')) return context.skip('socat is not installed');
      const line = await serialLine(context, { relay: 'socat' }); // it keeps what is sent to a closed port
      const [path] = pathsOf(line);
      line.noise(0, Buffer.alloc(100, 'old'));
      const device = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
      context.after(() => closeSync(device));
      while (!hasInput(device)) await new Promise(setImmediate);
      const user = await PortUser.open(context, path, { baudRate });
      line.noise(0, Buffer.from('new'));
      assert.equal((await user.until(3)).toString(), 'new');
    });
  }

  test('reads while it cannot write', async (context) => {
    const line = await serialLine(context, { baudRate: 300 });
    const [path] = pathsOf(line);
    const user = await PortUser.open(context, path);
    user.port.write(new Uint8Array(100_000)); // takes an hour
    assert.equal(user.port.writable, false);
    for (let round = 1; round <= 20; round++) {
      const arrived = user.until(round);
      line.noise(0, Buffer.from('!'));
      await arrived;
    }
    assert.equal(user.port.writable, false);
  });

  test('writes on while nothing arrives, after a time in which it read and wrote', async (context) => {
    const { a, b } = await pair(context);
    const bytes = seededRandom(SEED).bytes(200_000);
    const done = b.until(bytes.length);
    const writing = a.write(bytes, 8_000);
    for (let round = 0; round < 50; round++) {
      await b.write(Buffer.from('some'));
      await new Promise(setImmediate);
    }
    await writing;
    assert.ok((await done).equals(bytes));
    assert.equal((await a.until(200)).length, 200);
  });

  test('says when it takes more', async (context) => {
    const { a, b } = await pair(context);
    assert.equal(a.port.writable, true);
    a.port.write(new Uint8Array(10_000));
    assert.equal(a.port.writable, false);
    await a.write(new Uint8Array(1));
    assert.equal(a.port.writable, true);
    assert.equal((await b.until(10_001)).length, 10_001);
  });

  test('is drained when everything has left, and an orderly farewell arrives', async (context) => {
    const { a, b } = await pair(context);
    a.port.write(seededRandom(SEED).bytes(30_000));
    a.port.write(Buffer.from('bye'));
    await a.port.drained();
    await a.close();
    assert.equal((await b.until(30_003)).subarray(-3).toString(), 'bye');
    await a.port.drained();
  });

  test('is opened once, and never again', async (context) => {
    const { a } = await pair(context);
    await assert.rejects(a.port.open(), { code: 'CONNECTION_NOT_OPEN' });
    await a.close();
    await assert.rejects(a.port.open(), { code: 'CONNECTION_NOT_OPEN' });
  });
});

describe('the end of a port', usual, () => {
  test('comes by unplugging, is told once, and a new one opens the same path', async (context) => {
    const line = await serialLine(context);
    const [pathA, pathB] = pathsOf(line);
    const b = await PortUser.open(context, pathB);
    for (let round = 0; round < 5; round++) {
      const a = await PortUser.open(context, pathA);
      await line.unplug(0);
      const error = await a.lost;
      assert.deepEqual([error.code, error.recoverable], ['SERIAL_PORT_LOST', true]);
      assert.equal(a.port.writable, false);
      a.port.write(Buffer.from('nobody hears it'));
      await a.port.drained();
      await a.close();
      assert.equal(a.losses, 1);
      await line.replug(0);
      const again = await PortUser.open(context, pathA);
      const heard = again.until(5);
      await b.write(Buffer.from('hello'));
      await heard;
      await again.close();
    }
  });

  test('is noticed whatever the port is doing: reading, writing, both (60 times)', async (context) => {
    const line = await serialLine(context);
    const [pathA, pathB] = pathsOf(line);
    for (let round = 0; round < 60; round++) {
      const a = await PortUser.open(context, pathA);
      const b = await PortUser.open(context, pathB);
      const writing = round % 3 > 0 ? a.write(new Uint8Array(200_000)) : undefined;
      const reading = round % 3 < 2 ? b.write(new Uint8Array(200_000)) : undefined;
      await (round % 3 > 0 ? b : a).until(1 + 500 * (round % 7));
      await line.unplug(0);
      assert.equal((await a.lost).code, 'SERIAL_PORT_LOST');
      await Promise.all([a.close(), b.close(), writing, reading]);
      await line.replug(0);
    }
  });

  test('comes at once by close, also while it writes to a line that takes nothing', async (context) => {
    const line = await serialLine(context, { baudRate: 300 });
    const [path] = pathsOf(line);
    const user = await PortUser.open(context, path);
    user.port.write(new Uint8Array(100_000));
    const drained = user.port.drained();
    await Promise.all([user.close(), user.port.close()]);
    await drained;
    user.port.write(Buffer.from('too late'));
    assert.equal(user.losses, 0);
    assert.equal(user.port.writable, false);
    await (await PortUser.open(context, path)).close(); // the lock is free
  });

  test('comes by close in every status: new, opening, lost', async (context) => {
    const line = await serialLine(context);
    const [path] = pathsOf(line);
    const fresh = new PortUser(path);
    await fresh.port.close();
    await assert.rejects(fresh.port.open(), { code: 'CONNECTION_NOT_OPEN' });

    const opening = new PortUser(path);
    const opened = assert.rejects(opening.port.open(), { code: 'CONNECTION_NOT_OPEN' });
    await opening.port.close();
    await opened;

    const lost = await PortUser.open(context, path);
    await line.unplug(0);
    await lost.lost;
    await lost.close();
    assert.equal(lost.losses, 1);
  });

  test('tells nothing any more after close', async (context) => {
    const line = await serialLine(context);
    const [path] = pathsOf(line);
    const user = await PortUser.open(context, path);
    line.noise(0, ALL_BYTES);
    await user.until(1);
    await user.close();
    const { length } = user.received;
    line.noise(0, ALL_BYTES);
    await line.unplug(0);
    assert.deepEqual([user.received.length, user.losses], [length, 0]);
  });

  test('leaves no descriptor, however it came', async (context) => {
    const line = await serialLine(context);
    const [path] = pathsOf(line);
    const before = await openTerminals();
    for (let round = 0; round < 20; round++) {
      const user = new PortUser(path);
      const opening = user.port.open().catch(() => undefined);
      if (round % 4 > 0) await opening;
      if (round % 4 === 2) user.port.write(new Uint8Array(50_000));
      if (round % 4 === 3) await line.unplug(0);
      await user.port.close();
      await line.replug(0);
    }
    const { port } = new PortUser('/dev/null');
    await assert.rejects(port.open());
    assert.equal(await openTerminals(), before);
  });

  test('lets its process end', async (context) => {
    const line = await serialLine(context);
    const child = startChild(context, '../serial/port-process.ts', [pathsOf(line)[0]]);
    assert.equal(await child.line(), 'closed');
    assert.equal(await child.finish(), 0);
  });
});

/** Takes a byte of it, if there is one. */
function hasInput(device: number): boolean {
  try {
    return readSync(device, new Uint8Array(1)) > 0;
  } catch {
    return false;
  }
}

/** How many terminals and devices like them this process has open. */
async function openTerminals(): Promise<number> {
  const targets = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(targets)).filter((target) => /^\/dev\/(pts\/|null)/.test(target)).length;
}
