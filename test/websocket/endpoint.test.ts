import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { connectOptions } from '../support/connect-options.js';

describe('URLEndpoint', () => {
  for (const [what, url, message] of [
    ['something that is no URL', 'bridge.local', /not a URL/],
    ['an empty text', '', /not a URL/],
    ['undefined', undefined, /not a URL/],
    ['http', 'http://bridge.local/vessel', /scheme must be ws or wss, not http:/],
    ['blip', 'blip://bridge.local/vessel', /scheme/],
    ['a user name', 'wss://alice@bridge.local/vessel', /user name or password/],
    ['a password', 'wss://alice:secret-word@bridge.local/vessel', /user name or password/],
    ['a query', 'wss://bridge.local/vessel?client=sgr2', /query/],
    ['a fragment', 'wss://bridge.local/vessel#top', /fragment/],
    ['no database', 'wss://bridge.local', /name of a database/],
    ['only a slash', 'wss://bridge.local:4984/', /name of a database/],
    ['an empty segment', 'wss://bridge.local//vessel', /empty segment/],
    ['the path of the protocol', 'wss://bridge.local/vessel/_blipsync', /does not begin with "_"/],
    ['port 0', 'wss://bridge.local:0/vessel', /port/],
    ['a port beyond all ports', 'wss://bridge.local:65536/vessel', /not a URL/],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => new URLEndpoint(url as string),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'ARGUMENT_INVALID');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret-word/);
          return true;
        },
      );
    });
  }

  for (const [url, remoteID] of [
    ['wss://bridge.local:4984/vessel', 'wss://bridge.local:4984/vessel/_blipsync'],
    ['ws://bridge.local/vessel', 'ws://bridge.local/vessel/_blipsync'],
    ['WSS://Bridge.Local:443/vessel', 'wss://bridge.local/vessel/_blipsync'],
    ['wss://bridge.local/fleet/north/vessel', 'wss://bridge.local/fleet/north/vessel/_blipsync'],
    ['wss://bridge.local/vessel/', 'wss://bridge.local/vessel/_blipsync'],
    ['wss://bridge.local/my vessel', 'wss://bridge.local/my%20vessel/_blipsync'],
    ['wss://[2001:db8::7]:4984/vessel', 'wss://[2001:db8::7]:4984/vessel/_blipsync'],
  ] as const) {
    test(`identifies ${url} in one way only`, () => {
      assert.equal(new URLEndpoint(url).remoteID, remoteID);
      assert.equal(new URLEndpoint(new URL(url)).remoteID, remoteID);
      assert.equal(`${new URLEndpoint(url).url}/_blipsync`, remoteID);
    });
  }

  test('refuses to take a server on ws: for one that is pinned, and says so before it connects', () => {
    const judge = { judge: () => Promise.resolve(undefined) };
    for (const trust of [{ pinnedServerFingerprint: 'ab'.repeat(32) }, { serverTrustPolicy: judge }]) {
      const connect = (url: string) => new URLEndpoint(url).createConnection(connectOptions({ trust }));
      assert.throws(() => connect('ws://bridge.local/vessel'), { code: 'ARGUMENT_INVALID', recoverable: false });
      assert.doesNotThrow(() => connect('wss://bridge.local/vessel'));
    }
  });
});
