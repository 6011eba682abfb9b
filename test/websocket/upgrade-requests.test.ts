/** What a listener answers on the wire: to Couchbase Lite clients, to browsers that got lost, and to those who mean no good. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { deferred } from '../../src/base/index.js';
import { refusal } from '../../src/listener/admission.js';
import { ListenerPasswordAuthenticator } from '../../src/security/index.js';
import { startWebSocketHost, type WebSocketHostOptions } from '../support/web-socket-host.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { cleanup } from '../support/cleanup.js';
import { untilClosed } from '../support/raw-servers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE = [
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${KEY}`,
  'Sec-WebSocket-Protocol: BLIP_3+CBMobile_3,BLIP_3+CBMobile_2',
];

async function start(context: TestContext, options: WebSocketHostOptions = {}) {
  const host = await startWebSocketHost(options);
  cleanup(context, () => host.close());
  return host;
}

interface Answer {
  readonly status: number;
  /** Names and values as they stand there, in order. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends a request on a bare socket and reads the answer: to its end, or to the end of its head if it is a 101. */
async function ask(port: number, lines: readonly string[], context: TestContext): Promise<Answer & { socket: Socket }> {
  const socket = connectTcp(port, '127.0.0.1');
  cleanup(context, () => socket.destroy());
  return { socket, ...(await answer(socket, `${lines.join('\r\n')}\r\n\r\n`)) };
}

async function answer(socket: Socket, request: string): Promise<Answer> {
  let text = '';
  const done = deferred();
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    if (text.startsWith('HTTP/1.1 101') && text.includes('\r\n\r\n')) done.resolve();
  });
  socket.on('close', () => done.resolve());
  socket.write(request);
  await done.promise;
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [status = '', ...headers] = head.split('\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(status)?.[1]),
    headers: new Map(headers.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)])),
    body,
  };
}

const without = (name: string): string[] => UPGRADE.filter((line) => !line.startsWith(name));
const get = (path = '/db/_blipsync', headers = UPGRADE): string[] => [`GET ${path} HTTP/1.1`, ...headers];

describe('an upgrade that is granted', () => {
  test('is answered as a LiteCore client demands it (specification 1.3)', async (context) => {
    const { port } = await start(context);
    const { status, headers } = await ask(port, get(), context);
    assert.equal(status, 101);
    assert.deepEqual(Object.fromEntries(headers), {
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_3',
    });
  });

  test('may list its protocols with spaces, name the connection in any case, and offer an extension in vain', async (context) => {
    const { port } = await start(context);
    const { status, headers } = await ask(
      port,
      get('/db/_blipsync?x=1', [
        ...without('Sec-WebSocket-Protocol').filter((line) => !line.startsWith('Connection')),
        'Connection: keep-alive, upgrade',
        'Sec-WebSocket-Protocol: BLIP_3+CBMobile_2 , BLIP_3+CBMobile_3',
        'Sec-WebSocket-Extensions: permessage-deflate',
      ]),
      context,
    );
    assert.deepEqual([status, headers.get('Sec-WebSocket-Protocol')], [101, 'BLIP_3+CBMobile_2']);
    assert.equal(headers.get('Sec-WebSocket-Extensions'), undefined);
  });

  test('loses no frame that came with the request', async (context) => {
    const host = await start(context);
    const socket = connectTcp(host.port, '127.0.0.1');
    cleanup(context, () => socket.destroy());
    const frame = Buffer.from('82830000000001020382810000000009', 'hex');
    socket.write(Buffer.concat([Buffer.from(`${get().join('\r\n')}\r\n\r\n`), frame]));
    const received: string[] = [];
    const both = deferred();
    const connection = await host.accepted();
    for (let turn = 0; turn < 5; turn++) await setImmediate(); // the engine is busy with something else
    await connection.open({
      receive: (message) => {
        received.push(Buffer.from(message).toString('hex'));
        if (received.length === 2) both.resolve();
      },
      close: () => undefined,
    });
    await both.promise;
    assert.deepEqual(received, ['010203', '09']);
  });
});

describe('an upgrade that is refused', () => {
  for (const [what, lines, status] of [
    ['another database', get('/other/_blipsync'), 404],
    ['no protocol', get(undefined, without('Sec-WebSocket-Protocol')), 400],
    ['another method', ['POST /db/_blipsync HTTP/1.1', 'Content-Length: 0', ...UPGRADE], 405],
    ['no key', get(undefined, without('Sec-WebSocket-Key')), 400],
    ['a key of the wrong length', get(undefined, [...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: abc']), 400],
    ['an old version', get(undefined, [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 7']), 400],
    ['an upgrade to something else', get(undefined, [...without('Upgrade'), 'Upgrade: h2c']), 400],
    [
      'a protocol that is no token',
      get(undefined, [...without('Sec-WebSocket-Protocol'), 'Sec-WebSocket-Protocol: a b']),
      400,
    ],
    ['a request that is too long', get(undefined, [...UPGRADE, `X-Long: ${'x'.repeat(20_000)}`]), 400],
  ] as const) {
    test(`for ${what} gets ${status} and a reason as JSON`, async (context) => {
      const { port } = await start(context);
      const { headers, body, ...rest } = await ask(port, lines, context);
      assert.equal(rest.status, status);
      assert.equal(headers.get('Content-Type'), 'application/json');
      assert.equal(headers.get('Content-Length'), String(body.length));
      assert.equal(headers.get('Connection'), 'close');
      assert.equal(typeof JSON.parse(body).reason, 'string');
    });
  }

  test('for a wrong password gets a challenge', async (context) => {
    const authenticator = new ListenerPasswordAuthenticator(() => false);
    const { port } = await start(context, {
      admit: async ({ authorization }) => {
        const result = await authenticator.authenticate({ authorization });
        return result.ok
          ? { status: 101, protocol: 'BLIP_3+CBMobile_3', peer: {} }
          : refusal(result.status, result.reason);
      },
    });
    const { status, headers, body } = await ask(
      port,
      get(undefined, [...UPGRADE, 'Authorization: Basic YTpi']),
      context,
    );
    assert.equal(status, 401);
    assert.equal(headers.get('WWW-Authenticate'), 'Basic realm="hawser"');
    assert.deepEqual(JSON.parse(body), { reason: 'user name or password is wrong' });
  });

  test('because the decision failed is dropped, and others are served', async (context) => {
    let calls = 0;
    const { port } = await start(context, {
      admit: async ({ protocols }) => {
        if (++calls === 1) throw new Error('no decision');
        return { status: 101, protocol: protocols[0] ?? '', peer: {} };
      },
    });
    assert.equal((await ask(port, get(), context)).status, Number.NaN);
    assert.equal((await ask(port, get(), context)).status, 101);
  });
});

test('a request without an upgrade gets a short 426', async (context) => {
  const { port } = await start(context);
  for (const path of ['/', '/db', '/db/_blipsync']) {
    const { status, headers, body } = await ask(port, [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1'], context);
    assert.equal(status, 426);
    assert.equal(headers.get('Upgrade'), 'websocket');
    assert.match(JSON.parse(body).reason, /WebSocket/);
  }
});

describe('a stranger', () => {
  const GARBAGE = [
    '\0\u0001\u0002\u0003',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'GET',
    '\r\n\r\n\r\n',
    'x'.repeat(100_000),
    '\u0016\u0003\u0001',
  ];

  for (const scheme of ['ws', 'wss']) {
    test(`who sends garbage does no harm (${scheme})`, async (context) => {
      const identity = await selfSignedIdentity('boat');
      const host = await start(context, scheme === 'wss' ? { identity } : {});
      for (const garbage of GARBAGE) {
        const socket = connectTcp(host.port, '127.0.0.1');
        socket.on('error', () => undefined).resume();
        socket.end(garbage, 'latin1');
        await untilClosed(socket);
      }
      if (scheme === 'wss') {
        // Garbage inside TLS.
        const socket = connectTls({ port: host.port, host: '127.0.0.1', rejectUnauthorized: false });
        socket.on('error', () => undefined).resume();
        socket.end('\0\u0001\u0002 garbage\r\n\r\n', 'latin1');
        await untilClosed(socket);
      }
      const socket =
        scheme === 'ws'
          ? connectTcp(host.port, '127.0.0.1')
          : connectTls({ port: host.port, rejectUnauthorized: false });
      cleanup(context, () => socket.destroy());
      assert.equal((await answer(socket, `${get().join('\r\n')}\r\n\r\n`)).status, 101);
    });

    test(`who dawdles is cut off after 15 seconds, whatever he has sent (${scheme})`, async (context) => {
      const clock = new VirtualClock();
      const identity = await selfSignedIdentity('boat');
      const host = await start(context, scheme === 'wss' ? { identity, clock } : { clock });
      const open = async (): Promise<Socket> => {
        const socket = connectTcp(host.port, '127.0.0.1').on('error', () => undefined);
        await once(socket.resume(), 'connect');
        return socket;
      };
      const silent = await open();
      const halfway = await open();
      halfway.write(scheme === 'ws' ? 'GET /db/_blipsync HTTP/1.1\r\nHost: x\r\n' : Buffer.from('160301', 'hex'));
      const dripping = await open();
      const closed = [silent, halfway, dripping].map((socket) => untilClosed(socket));
      if (scheme === 'wss') {
        // TLS is through, HTTP is not.
        const inside = connectTls({ port: host.port, rejectUnauthorized: false }).on('error', () => undefined);
        await once(inside.resume(), 'secureConnect');
        inside.write('GET / HTTP/1.1\r\n');
        closed.push(untilClosed(inside));
      }
      for (let second = 1; second < 15; second++) {
        if (dripping.writable) dripping.write(scheme === 'ws' ? 'x' : Buffer.from([0x16]));
        await clock.advance(1_000);
      }
      assert.deepEqual(
        [silent, halfway].map(({ destroyed }) => destroyed),
        [false, false],
      );
      await clock.advance(1_000);
      await Promise.all(closed);
    });
  }

  test('whose password is being checked is cut off after 15 seconds too', async (context) => {
    const clock = new VirtualClock();
    const asked = deferred();
    const decision = deferred<{ status: 101; protocol: string; peer: object }>();
    const host = await start(context, {
      clock,
      admit: () => {
        asked.resolve();
        return decision.promise;
      },
    });
    const socket = connectTcp(host.port, '127.0.0.1')
      .on('error', () => undefined)
      .resume();
    cleanup(context, () => socket.destroy());
    socket.write(`${get().join('\r\n')}\r\n\r\n`);
    await asked.promise;
    const closed = untilClosed(socket);
    await clock.advance(15_000);
    await closed;
    decision.resolve({ status: 101, protocol: 'BLIP_3+CBMobile_3', peer: {} }); // too late: nobody is there
    await clock.advance(1_000);
    assert.equal(clock.pendingTimers, 0);
  });

  test('who has been refused and does not hang up is cut off as well', async (context) => {
    const clock = new VirtualClock();
    const host = await start(context, { clock });
    const socket = connectTcp({ port: host.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
    cleanup(context, () => socket.destroy());
    const refused = once(socket, 'data');
    socket.write(`${get('/other/_blipsync').join('\r\n')}\r\n\r\n`);
    await refused;
    await clock.advance(15_000);
    assert.equal(clock.pendingTimers, 0);
  });

  test('who brings more connections than 128 pushes out the oldest of his own', async (context) => {
    const host = await start(context);
    const sockets: Socket[] = [];
    cleanup(context, () => sockets.forEach((socket) => socket.destroy()));
    const firstClosed = deferred();
    for (let index = 0; index < 129; index++) {
      const socket = connectTcp(host.port, '127.0.0.1')
        .on('error', () => undefined)
        .resume();
      sockets.push(socket);
      await once(socket, 'connect');
      if (index === 0) socket.on('close', () => firstClosed.resolve());
    }
    await firstClosed.promise;
    assert.equal((await ask(host.port, get(), context)).status, 101);
  });

  for (const scheme of ['ws', 'wss']) {
    test(`who is a WebSocket has no deadline (${scheme})`, async (context) => {
      const clock = new VirtualClock();
      const identity = await selfSignedIdentity('boat');
      const host = await start(context, scheme === 'wss' ? { identity, clock } : { clock });
      const socket =
        scheme === 'ws'
          ? connectTcp(host.port, '127.0.0.1')
          : connectTls({ port: host.port, rejectUnauthorized: false });
      assert.equal((await answer(socket, `${get().join('\r\n')}\r\n\r\n`)).status, 101);
      const connection = await host.accepted();
      assert.equal(clock.pendingTimers, 0);
      await clock.advance(60_000);
      assert.equal(socket.destroyed, false);
      const closing = connection.close();
      socket.destroy();
      await closing;
    });
  }
});
