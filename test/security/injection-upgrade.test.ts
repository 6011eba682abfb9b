/** What a client says in its upgrade request reaches no file path, SQL text, pattern or log line as anything but a text. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../src/base/index.js';
import { ListenerPasswordAuthenticator, loopbackPair, MessageEndpointListener } from '../../src/index.js';
import { URLEndpointListener } from '../../transports/websocket/index.js';
import { cleanup } from '../support/cleanup.js';
import { ALL, assertUnharmed, openOurs } from './injected-texts.js';

const LIMIT = { timeout: 120_000 };
/** Answers that let nobody in; 0 is a connection that was ended. */
const REFUSED = new Set([0, 400, 401, 404, 429, 431]);

describe('what a client says in its upgrade request is text', LIMIT, () => {
  /** The status of the answer to a request that is sent as it stands; 0 where there was none. */
  function ask(port: number, text: string): Promise<number> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
      let answer = '';
      socket.on('data', (bytes: Buffer) => {
        answer += bytes.toString('latin1');
        if (answer.includes('\r\n\r\n')) socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)));
    });
  }

  function upgrade(path: string, headers: Record<string, string>): string {
    const all = {
      Host: 'x',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AQIDBAUGBwgJCgsMDQ4PEA==',
      'Sec-WebSocket-Protocol': 'BLIP_3+CBMobile_3',
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  }

  async function serve(context: TestContext, authenticator?: ListenerPasswordAuthenticator) {
    const ours = await openOurs(context);
    const listener = new URLEndpointListener({
      collections: [ours.metrics],
      disableTLS: true,
      networkInterface: '127.0.0.1',
      limits: { maxHandshakes: 1_000, maxHandshakesPerAddress: 1_000, maxConnectionsPerAddress: 1_000 },
      ...(authenticator === undefined ? {} : { authenticator }),
    });
    cleanup(context, () => listener.stop());
    await listener.start();
    return { ours, port: listener.port, before: await ours.tree() };
  }

  const asBytes = (text: string): string => Buffer.from(text).toString('latin1');

  it('as a path', async (context) => {
    const { ours, port, before } = await serve(context);
    for (const text of ALL) {
      for (const name of [text, encodeURIComponent(text.toWellFormed()), `ours/${text}`, `${text}/ours`]) {
        for (const path of [`/${asBytes(name)}/_blipsync`, asBytes(name), `/ours/_blipsync/${asBytes(name)}`]) {
          const status = await ask(port, upgrade(path, {}));
          assert.ok(REFUSED.has(status), `${JSON.stringify(path)} was answered with ${status}`);
        }
      }
    }
    assert.equal(await ask(port, upgrade('/ours/_blipsync', {})), 101);
    assert.equal(await ask(port, upgrade('/%6furs/_blipsync', {})), 101); // a name is a name however it is encoded
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });

  it('as protocols, cookies and headers', async (context) => {
    const { ours, port, before } = await serve(context);
    for (const text of ALL) {
      const value = asBytes(text);
      const protocol = await ask(port, upgrade('/ours/_blipsync', { 'Sec-WebSocket-Protocol': value }));
      assert.ok(REFUSED.has(protocol), `${JSON.stringify(text)} was answered with ${protocol}`);
      for (const name of ['Cookie', 'Origin', 'User-Agent', 'Host', 'X-Forwarded-For', 'Authorization']) {
        const status = await ask(port, upgrade('/ours/_blipsync', { [name]: value }));
        assert.ok(
          status === 101 || REFUSED.has(status),
          `${name}: ${JSON.stringify(text)} was answered with ${status}`,
        );
      }
    }
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });

  it('as user name and password, which come to the application as they were sent', async (context) => {
    const asked: string[] = [];
    const { ours, port, before } = await serve(
      context,
      new ListenerPasswordAuthenticator((name, password) => {
        asked.push(`${name}:${password}`);
        if (password.includes('DROP')) throw new Error(`no such user: ${name}\n${password}`);
        return true;
      }),
    );
    const sent: string[] = [];
    for (const text of ALL) {
      const pair = `${text.replaceAll(':', '')}:${text}`;
      const { length } = asked;
      const basic = `Basic ${Buffer.from(pair).toString('base64')}`;
      const status = await ask(port, upgrade('/ours/_blipsync', { Authorization: basic }));
      assert.ok(status === 101 || REFUSED.has(status), `${JSON.stringify(pair)} was answered with ${status}`);
      if (asked.length > length) sent.push(pair);
    }
    assert.deepEqual(asked, sent);
    assert.ok(sent.length > ALL.length / 2);
    assert.ok(ours.lines.some((line) => line.includes('no such user')));
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });
});

describe('what a client says in a handshake without HTTP is text', LIMIT, () => {
  it('in every field, and as the whole of it', async (context) => {
    const ours = await openOurs(context);
    const asked: string[] = [];
    const listener = new MessageEndpointListener({
      collections: [ours.metrics],
      protocolType: 'messageStream',
      handshake: true,
      authenticator: new ListenerPasswordAuthenticator((name) => {
        asked.push(name);
        return true;
      }),
    });
    cleanup(context, () => listener.closeAll());
    const before = await ours.tree();

    /** The status of the answer; 0 where the connection was ended instead. */
    const ask = async (request: string): Promise<number> => {
      const { a, b } = loopbackPair();
      listener.accept(b);
      const answer = deferred<number>();
      await a.open({
        receive: (message) => {
          answer.resolve((JSON.parse(Buffer.from(message).toString()) as { status: number }).status);
        },
        close: () => answer.resolve(0),
      });
      await a.send(Buffer.from(request)).catch(() => undefined);
      const status = await answer.promise;
      await a.close();
      return status;
    };

    const basic = (name: string): string => `Basic ${Buffer.from(`${name}:x`).toString('base64')}`;
    const good = { hawser: 1, path: '/ours/_blipsync', protocols: ['BLIP_3+CBMobile_3'], authorization: basic('good') };
    assert.equal(await ask(JSON.stringify(good)), 101);
    for (const text of ALL) {
      for (const bad of [
        { ...good, path: text },
        { ...good, path: `/${text}/_blipsync` },
        { ...good, path: `/ours/_blipsync/${text}` },
        { ...good, protocols: [text] },
        { ...good, authorization: text },
        { ...good, hawser: text },
        { [text]: text },
        text,
      ]) {
        const status = await ask(JSON.stringify(bad));
        assert.ok(REFUSED.has(status), `${JSON.stringify(bad)} was answered with ${status}`);
      }
      assert.ok(REFUSED.has(await ask(text === '' ? ' ' : text)), text);
      const { length } = asked;
      const name = text.replaceAll(':', '');
      assert.equal(
        await ask(JSON.stringify({ ...good, cookie: text, [text]: text, authorization: basic(name) })),
        101,
        text,
      );
      assert.deepEqual(asked.slice(length), [name]);
    }
    assert.deepEqual(await assertUnharmed(ours, before), []);
  });
});
