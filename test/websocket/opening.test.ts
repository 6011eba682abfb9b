/** What a client makes of everything that can go wrong before a connection is open. Real servers that misbehave. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import type { ConnectOptions, MessagingError } from '../../src/endpoint/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { networkError } from '../../transports/websocket/network-errors.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { selfSignedIdentity } from '../support/certificates.js';
import { connectOptions } from '../support/connect-options.js';
import { countingClock } from '../support/counting-clock.js';
import { startTcpServer, startTlsServer, untilClosed, unusedPort } from '../support/raw-servers.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { startWebSocketHost } from '../support/web-socket-host.js';

/** Opens a connection that must fail; resolves to the error. Nothing may be left and nothing reported elsewhere. */
async function failure(url: string, options: Partial<ConnectOptions> = {}): Promise<MessagingError> {
  const clock = countingClock();
  const connection = new URLEndpoint(url).createConnection(connectOptions({ clock, ...options }));
  const recorder = new ConnectionRecorder();
  const error: unknown = await recorder.open(connection).then(
    () => assert.fail('the connection was opened'),
    (reason: unknown) => reason,
  );
  await connection.close();
  assert.deepEqual(recorder.closes, []);
  assert.deepEqual(clock.pending(), []);
  assert.ok(error instanceof Error && 'recoverable' in error, String(error));
  return error as MessagingError;
}

/** Answers every HTTP request with `answer`. */
function answering(context: TestContext, answer: string | ((request: string) => string)): Promise<number> {
  return startTcpServer(context, (socket) => {
    socket.once('data', (data) => {
      socket.end(typeof answer === 'string' ? answer : answer(data.toString('latin1')));
    });
  });
}

const http = (status: number, headers: readonly string[] = [], body = ''): string =>
  [`HTTP/1.1 ${status} Whatever`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers, '', body].join('\r\n');

/** A valid answer to an upgrade, but for the headers that are changed or taken away. */
function upgraded(changes: Readonly<Record<string, string | undefined>> = {}) {
  return (request: string): string => {
    const key = /sec-websocket-key: (.*)\r\n/i.exec(request)?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Accept': accept,
      'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_3',
      ...changes,
    };
    const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
    return ['HTTP/1.1 101 Switching Protocols', ...lines.map(([name, value]) => `${name}: ${value}`), '', ''].join(
      '\r\n',
    );
  };
}

describe('a connection that cannot be made', () => {
  test('is refused where nobody listens', async () => {
    const port = await unusedPort();
    for (const scheme of ['ws', 'wss']) {
      const error = await failure(`${scheme}://127.0.0.1:${port}/db`);
      assert.equal(error.code, 'CONNECTION_REFUSED');
      assert.deepEqual([error.domain, error.number, error.recoverable], ['POSIX', 111, true]);
      assert.ok(error.message.includes(`127.0.0.1:${port}`));
    }
  });

  test('is refused where nobody listens on any address of a host', async () => {
    assert.equal((await failure(`ws://localhost:${await unusedPort()}/db`)).code, 'CONNECTION_REFUSED');
  });

  test('names a host that cannot be resolved', async () => {
    const error = await failure('wss://no-such-host.invalid/db');
    assert.equal(error.code, 'CONNECTION_HOST_UNKNOWN');
    assert.deepEqual([error.domain, error.number, error.recoverable], ['Network', 5002, true]);
    assert.match(error.message, /no-such-host\.invalid/);
  });

  test('tells apart what the network says', () => {
    const because = (code: string): MessagingError => networkError(Object.assign(new Error('x'), { code }), 'host:1');
    for (const [code, expected, number] of [
      ['EHOSTUNREACH', 'CONNECTION_UNREACHABLE', 113],
      ['ENETUNREACH', 'CONNECTION_UNREACHABLE', 101],
      ['EAI_AGAIN', 'CONNECTION_HOST_UNKNOWN', 5001],
      ['ETIMEDOUT', 'CONNECTION_TIMEOUT', 110],
      ['ECONNRESET', 'CONNECTION_LOST', 104],
      ['EPIPE', 'CONNECTION_LOST', 32],
      ['ESOMETHING', 'CONNECTION_INTERRUPTED', 14001],
    ] as const) {
      assert.deepEqual([because(code).code, because(code).number, because(code).recoverable], [expected, number, true]);
    }
    const both = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), new Error('y')]);
    assert.equal(networkError(both, 'host:1').code, 'CONNECTION_REFUSED');
  });
});

describe('a server that hangs up', () => {
  test('before it answers is being restarted, perhaps: the connection is lost, not refused for good', async (context) => {
    const port = await startTcpServer(context, (socket) => void socket.once('data', () => socket.destroy()));
    const error = await failure(`ws://127.0.0.1:${port}/db`);
    assert.deepEqual([error.code, error.recoverable], ['CONNECTION_LOST', true]);
  });

  test('in an orderly way before it answers, or in the middle of an answer, is the same', async (context) => {
    for (const part of ['', 'HTTP/1.1 101 Switching Pro']) {
      const port = await answering(context, part);
      const error = await failure(`ws://127.0.0.1:${port}/db`);
      assert.deepEqual([error.code, error.recoverable], ['CONNECTION_LOST', true], JSON.stringify(part));
    }
  });

  test('during the TLS handshake is the same', async (context) => {
    const port = await startTcpServer(context, (socket) => void socket.once('data', () => socket.destroy()));
    const error = await failure(`wss://127.0.0.1:${port}/db`);
    assert.deepEqual([error.code, error.recoverable], ['CONNECTION_LOST', true]);
  });
});

describe('a server that refuses', () => {
  for (const [status, code, recoverable] of [
    [400, 'CONNECTION_REJECTED', false],
    [401, 'AUTHENTICATION_FAILED', false],
    [403, 'ACCESS_DENIED', false],
    [404, 'REMOTE_DATABASE_NOT_FOUND', false],
    [408, 'CONNECTION_UNAVAILABLE', true],
    [426, 'CONNECTION_REJECTED', false],
    [429, 'AUTHENTICATION_DELAYED', true],
    [500, 'CONNECTION_REJECTED', false],
    [501, 'CONNECTION_REJECTED', false],
    [502, 'CONNECTION_UNAVAILABLE', true],
    [503, 'CONNECTION_UNAVAILABLE', true],
    [504, 'CONNECTION_UNAVAILABLE', true],
    [200, 'CONNECTION_REJECTED', false],
    [301, 'CONNECTION_REJECTED', false],
  ] as const) {
    test(`with ${status} gives ${code}`, async (context) => {
      const body = JSON.stringify({ reason: 'because\nI say so' });
      const location = 'Location: ws://127.0.0.1:1/elsewhere';
      const port = await answering(context, http(status, ['Content-Type: application/json', location], body));
      const error = await failure(`ws://127.0.0.1:${port}/db`);
      assert.deepEqual([error.code, error.recoverable, error.number], [code, recoverable, 10_000 + status]);
      assert.match(error.message, new RegExp(`HTTP ${status}.*because I say so`));
    });
  }

  for (const [status, code, number] of [
    [495, 'TLS_CLIENT_CERTIFICATE_REJECTED', 5_010],
    [496, 'TLS_CLIENT_CERTIFICATE_REQUIRED', 5_006],
  ] as const) {
    test(`because of a certificate, with ${status}, gives ${code}`, async (context) => {
      const body = JSON.stringify({ reason: 'who are you?' });
      const port = await answering(context, http(status, ['Content-Type: application/json'], body));
      const error = await failure(`ws://127.0.0.1:${port}/db`);
      assert.deepEqual([error.code, error.recoverable, error.number], [code, false, number]);
      assert.match(error.message, /who are you\?$/);
    });
  }

  test('may say why in plain text, or say nothing that can be read', async (context) => {
    for (const [type, body, expected] of [
      ['text/plain; charset=utf-8', 'I only speak BLIP', /: I only speak BLIP$/],
      ['text/html', '<h1>no</h1>', /\(HTTP 403\)$/],
      ['application/json', '{"reason": 7}', /\(HTTP 403\)$/],
      ['application/json', '{"reason"', /\(HTTP 403\)$/],
      ['application/json', JSON.stringify({ reason: 'x'.repeat(9000) }), /\(HTTP 403\)$/],
      ['application/json', JSON.stringify({ reason: 'x'.repeat(900) }), /: x{200}$/],
    ] as const) {
      const port = await answering(context, http(403, [`Content-Type: ${type}`], body));
      assert.match((await failure(`ws://127.0.0.1:${port}/db`)).message, expected);
    }
  });

  test('without ever ending its answer is understood all the same', async (context) => {
    const answered = deferred();
    const port = await startTcpServer(context, (socket) => {
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"reason',
        );
        answered.resolve();
      });
    });
    const clock = new VirtualClock();
    const failing = failure(`ws://127.0.0.1:${port}/db`, { clock });
    await answered.promise;
    const error = await eventually(clock, failing);
    assert.equal(error.code, 'AUTHENTICATION_FAILED');
  });
});

describe('a server that answers wrongly', () => {
  for (const [what, changes, code] of [
    ['no sub-protocol', { 'Sec-WebSocket-Protocol': undefined }, 'CONNECTION_PROTOCOL_MISMATCH'],
    ['another sub-protocol', { 'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_4' }, 'CONNECTION_PROTOCOL_MISMATCH'],
    [
      'two sub-protocols',
      { 'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_3, BLIP_3+CBMobile_2' },
      'CONNECTION_PROTOCOL_MISMATCH',
    ],
    ['a wrong key', { 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }, 'CONNECTION_PROTOCOL_ERROR'],
    [
      'an extension nobody asked for',
      { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
      'CONNECTION_PROTOCOL_ERROR',
    ],
    ['an upgrade to something else', { Upgrade: 'h2c' }, 'CONNECTION_PROTOCOL_ERROR'],
  ] as const) {
    test(`with ${what} gives ${code}`, async (context) => {
      const port = await answering(context, upgraded(changes));
      const error = await failure(`ws://127.0.0.1:${port}/db`);
      assert.deepEqual([error.code, error.recoverable], [code, false], error.message);
    });
  }

  test('and is no HTTP server gives CONNECTION_PROTOCOL_ERROR', async (context) => {
    const port = await answering(context, '220 smtp.example.com ESMTP\r\n');
    assert.equal((await failure(`ws://127.0.0.1:${port}/db`)).code, 'CONNECTION_PROTOCOL_ERROR');
  });

  test('and speaks plain text where TLS is expected, or the reverse, gives TLS_HANDSHAKE_FAILED', async (context) => {
    const plain = await answering(context, http(400));
    const error = await failure(`wss://127.0.0.1:${plain}/db`);
    assert.deepEqual([error.code, error.number, error.recoverable], ['TLS_HANDSHAKE_FAILED', 5006, false]);

    const alert = Buffer.from('15030300020228', 'hex').toString('latin1');
    const secure = await startTcpServer(
      context,
      (socket) => void socket.once('data', () => socket.end(alert, 'latin1')),
    );
    const reverse = await failure(`ws://127.0.0.1:${secure}/db`);
    assert.equal(reverse.code, 'TLS_HANDSHAKE_FAILED');
    assert.match(reverse.message, /use wss:/);
  });

  test('and hangs up because it expects TLS is guessed at', async (context) => {
    const port = await startTlsServer(context, await selfSignedIdentity('boat'), () => undefined);
    const error = await failure(`ws://127.0.0.1:${port}/db`);
    assert.deepEqual([error.code, error.number], ['CONNECTION_LOST', 104]);
    assert.match(error.message, /use wss:/);
  });

  test('and speaks only old versions of TLS gives TLS_HANDSHAKE_FAILED', async (context) => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const port = await startTlsServer(context, await selfSignedIdentity('boat'), () => undefined, old);
    assert.equal((await failure(`wss://127.0.0.1:${port}/db`)).code, 'TLS_HANDSHAKE_FAILED');
  });
});

describe('a server that says nothing', () => {
  for (const scheme of ['ws', 'wss']) {
    test(`is given up after connectTimeoutMs (${scheme})`, async (context) => {
      const arrived = deferred<Socket>();
      const port = await startTcpServer(context, (socket) => socket.once('data', () => arrived.resolve(socket)));
      const clock = new VirtualClock();
      const failing = failure(`${scheme}://127.0.0.1:${port}/db`, { clock, connectTimeoutMs: 15_000 });
      const socket = await arrived.promise;
      await clock.advance(14_999);
      assert.equal(socket.readableEnded, false, 'it waits until then');
      await clock.advance(1);
      const error = await failing;
      assert.deepEqual([error.code, error.recoverable], ['CONNECTION_TIMEOUT', true]);
    });
  }

  test('is left at once when the connection is closed', async (context) => {
    const arrived = deferred<Socket>();
    const port = await startTcpServer(context, (socket) => arrived.resolve(socket));
    const connection = new URLEndpoint(`wss://127.0.0.1:${port}/db`).createConnection(connectOptions());
    const opening = assert.rejects(new ConnectionRecorder().open(connection), { code: 'CONNECTION_NOT_OPEN' });
    const socket = await arrived.promise;
    await connection.close();
    await opening;
    socket.resume().end();
    await untilClosed(socket);
  });
});

describe('the request', () => {
  async function requestOf(
    context: TestContext,
    options: Partial<ConnectOptions>,
  ): Promise<{ text: string; port: number }> {
    const request = deferred<string>();
    const port = await answering(context, (text) => {
      request.resolve(text);
      return http(404);
    });
    await failure(`ws://127.0.0.1:${port}/fleet/my%20db`, options);
    return { text: await request.promise, port };
  }

  test('is what a Couchbase Lite client sends (specification 1.2)', async (context) => {
    const { text, port } = await requestOf(context, { authorization: 'Basic YWxpY2U6cGEkJHcwcmQ=' });
    const [line, ...headers] = text.split('\r\n');
    assert.equal(line, 'GET /fleet/my%20db/_blipsync HTTP/1.1');
    for (const header of [
      `Host: 127.0.0.1:${port}`,
      'Authorization: Basic YWxpY2U6cGEkJHcwcmQ=',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: BLIP_3+CBMobile_3,BLIP_3+CBMobile_2',
    ]) {
      assert.ok(headers.includes(header), `${header} is missing in ${text}`);
    }
    assert.match(text, /\r\nSec-WebSocket-Key: [A-Za-z0-9+/]{22}==\r\n/);
    assert.doesNotMatch(text, /Sec-WebSocket-Extensions/i);
  });

  test('carries headers of the application, and no Authorization unless there is one', async (context) => {
    const { text } = await requestOf(context, { headers: { Cookie: 'SyncGatewaySession=1', 'X-Boat': 'yes' } });
    assert.match(text, /\r\nCookie: SyncGatewaySession=1\r\n/);
    assert.match(text, /\r\nX-Boat: yes\r\n/);
    assert.doesNotMatch(text, /Authorization/i);
  });

  test('that cannot be written is the mistake of the caller', async (context) => {
    const port = await startTcpServer(context, (socket) => void socket.resume().on('end', () => socket.end()));
    for (const options of [{ headers: { 'X-Boat': 'a\r\nb' } }, { protocols: ['a', 'a'] }]) {
      const error = await failure(`ws://127.0.0.1:${port}/db`, options);
      assert.deepEqual([error.code, error.recoverable], ['ARGUMENT_INVALID', false]);
    }
  });
});

test('an open connection knows the protocol that was chosen', async () => {
  const host = await startWebSocketHost({
    admit: async () => ({ status: 101, protocol: 'BLIP_3+CBMobile_2', peer: {} }),
  });
  const connection = new URLEndpoint(`ws://127.0.0.1:${host.port}/db`).createConnection(connectOptions());
  assert.equal(connection.protocol, undefined);
  await new ConnectionRecorder().open(connection);
  const accepted = await host.accepted();
  assert.equal(connection.protocol, 'BLIP_3+CBMobile_2');
  assert.equal(accepted.protocol, 'BLIP_3+CBMobile_2');
  await host.close();
  await connection.close();
});

/** Advances the clock, leaving time for real sockets, until `work` has settled. */
async function eventually<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let settled = false;
  const done = (): void => void (settled = true);
  work.then(done, done);
  while (!settled) await clock.advance(100);
  return work;
}
