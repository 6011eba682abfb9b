/** The doctor with a serial port, or a broker, to try. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { describe, test, type TestContext } from 'node:test';
import { AedesBroker } from '../support/aedes-broker.js';
import { cleanup } from '../support/cleanup.js';
import { mosquittoProblem, startMosquitto } from '../support/mosquitto.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { pathsOf, PortUser, serialLine, withoutSerialLine } from '../serial/port-user.js';
import { COMMAND, doctor, hawser, installedAlone, NOBODY } from './run-hawser.js';

const usual = { timeout: 120_000 };
const withLine = { ...usual, skip: withoutSerialLine };

describe('a serial port', () => {
  async function port(context: TestContext, path: string, ...more: readonly string[]) {
    return (await doctor([await temporaryDirectory(context), '--serial', path, ...more])).of('port');
  }

  test('that works is opened and closed', withLine, async (context) => {
    const [path] = pathsOf(await serialLine(context));
    assert.deepEqual(await port(context, path), {
      ...{ name: 'port', verdict: 'ok', found: `${path} was opened at 115200 baud, and closed.` },
    });
    assert.match((await port(context, path, '--baud', '9600')).found, /at 9600 baud/);
    await (await PortUser.open(context, path)).close();
  });

  test('that is not there', usual, async (context) => {
    const { verdict, found, remedy } = await port(context, '/dev/ttyUSB99');
    assert.equal(verdict, 'problem');
    assert.equal(found, 'There is no /dev/ttyUSB99.');
    assert.match(remedy ?? '', /Plug the adapter in/);
  });

  test('that is a file, or a device of another kind', usual, async (context) => {
    const file = join(await temporaryDirectory(context), 'file');
    await writeFile(file, '');
    assert.match((await port(context, file)).found, /is no device/);
    const { verdict, found } = await port(context, '/dev/null');
    assert.equal(verdict, 'problem');
    assert.match(found, /^\/dev\/null: it is no serial port/);
  });

  test('that another program has open', withLine, async (context) => {
    const [path] = pathsOf(await serialLine(context));
    const first = await PortUser.open(context, path);
    const { verdict, found, remedy } = await port(context, path);
    assert.equal(verdict, 'problem');
    assert.match(found, /another program has it open/);
    assert.match(remedy ?? '', /fuser/);
    await first.close();
  });

  test('that this user may not open', withLine, async (context) => {
    const [path] = pathsOf(await serialLine(context));
    await chmod(path, 0);
    await chmod(dirname(path), 0o755);
    const isRoot = process.getuid?.() === 0; // who may do everything, so it has to be somebody else
    const folder = await temporaryDirectory(context);
    await chmod(folder, 0o777);
    const as = isRoot ? { user: NOBODY } : {};
    const { status, errors } = await hawser(['--version'], as);
    if (status !== 0) return context.skip(`the user nobody cannot read ${COMMAND} (${errors.split('\n')[0]})`);
    const { verdict, found, remedy } = (await doctor([folder, '--serial', path], as)).of('port');
    assert.equal(verdict, 'problem');
    assert.match(found, /^The user .* may not open .*, of the group /);
    assert.match(remedy ?? '', /usermod -aG \w+ .*, and log in again/);
  });

  test('without its packages is told what to install', withLine, async (context) => {
    const [path] = pathsOf(await serialLine(context));
    const command = await installedAlone(context);
    const { of } = await doctor([await temporaryDirectory(context), '--serial', path], { command });
    assert.equal(of('port').verdict, 'problem');
    assert.equal(of('port').remedy, 'npm install @serialport/stream @serialport/bindings-cpp');
  });
});

describe('a broker', () => {
  async function broker(context: TestContext, url: string, env: Readonly<Record<string, string>> = {}) {
    const folder = await temporaryDirectory(context);
    return (await doctor([folder, '--broker', url], { env })).of('broker');
  }

  test('of MQTT 5', usual, async (context) => {
    const reason = mosquittoProblem();
    if (reason !== undefined) return context.skip(reason);
    const mosquitto = await startMosquitto(context, { listeners: ['mqtts', 'ws'] });
    for (const listener of ['mqtt', 'ws'] as const) {
      const { verdict, found } = await broker(context, mosquitto.url(listener));
      assert.equal(verdict, 'ok', found);
      assert.match(found, /^127\.0\.0\.1:\d+ speaks MQTT 5\.$/);
    }
    const stranger = await broker(context, mosquitto.url('mqtts'));
    assert.equal(stranger.verdict, 'problem');
    assert.match(stranger.found, /its certificate is not believed/);
    const authority = join(await temporaryDirectory(context), 'authority.pem');
    await writeFile(authority, mosquitto.identity.certificatePem());
    const known = await broker(context, mosquitto.url('mqtts'), { NODE_EXTRA_CA_CERTS: authority });
    assert.equal(known.verdict, 'ok', known.found);
  });

  test('that asks for a password', usual, async (context) => {
    const reason = mosquittoProblem();
    if (reason !== undefined) return context.skip(reason);
    const mosquitto = await startMosquitto(context, { users: { mate: 'a:b@c/d' } });
    const refused = await broker(context, mosquitto.url());
    assert.equal(refused.verdict, 'problem');
    assert.match(refused.found, /user name or password is wrong/);
    const env = { HAWSER_BROKER_USERNAME: 'mate', HAWSER_BROKER_PASSWORD: 'a:b@c/d' };
    assert.equal((await broker(context, mosquitto.url(), env)).verdict, 'ok');
    const url = mosquitto.url().replace('//', `//mate:${encodeURIComponent('a:b@c/d')}@`);
    const { verdict, found } = await broker(context, url);
    assert.equal(verdict, 'ok');
    assert.doesNotMatch(found, /mate|a:b/);
  });

  test('of MQTT 3.1.1 alone', usual, async (context) => {
    const aedes = await AedesBroker.start(context);
    const { verdict, found } = await broker(context, aedes.url);
    assert.equal(verdict, 'ok', found);
    assert.match(found, /speaks MQTT 3\.1\.1, not 5\.$/);
    assert.deepEqual(aedes.clientIds, []);
  });

  async function listening(context: TestContext, server: Server): Promise<string> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup(context, () => server.close());
    return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('that is not there', usual, async (context) => {
    const server = createServer();
    const url = await listening(context, server);
    server.close();
    await once(server, 'close');
    const { verdict, found, remedy } = await broker(context, url);
    assert.equal(verdict, 'problem');
    assert.match(found, /nobody listens there/);
    assert.match(remedy ?? '', /Start the broker/);
  });

  test('that hangs up, or is none', usual, async (context) => {
    const silent = await listening(
      context,
      createServer((socket) => socket.on('error', () => undefined).end()),
    );
    assert.match((await broker(context, silent)).found, /closed without an answer/);
    const babbling = await listening(
      context,
      createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH_9.2\r\n')),
    );
    assert.equal((await broker(context, babbling)).verdict, 'problem');
  });

  test('without the package mqtt is told what to install', usual, async (context) => {
    const command = await installedAlone(context);
    const { of } = await doctor([await temporaryDirectory(context), '--broker', 'mqtt://127.0.0.1'], { command });
    assert.equal(of('broker').verdict, 'problem');
    assert.equal(of('broker').remedy, 'npm install mqtt');
  });
});
