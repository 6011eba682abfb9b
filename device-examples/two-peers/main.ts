/**
 * The two programs on one machine: started, watched until some readings have gone one way and the limit the other, ended, compared.
 * There is nothing to copy in here.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { compare } from '../shared/compare.js';
import { perform } from '../shared/perform.js';

const USAGE = `Usage: npm run demo:two-peers -- [options]

A bridge and an engine room, two processes with a database each, sync over wss with a password and a pinned certificate. The exit
status is 0 only if both have the same documents in the end.

  --readings N   how many readings are to arrive, one a second (default 5)
  --help         print this`;

await perform({
  name: 'two-peers',
  usage: USAGE,
  options: { readings: { default: 5, from: 1, to: 3_600 } },
  play: async (stage, { readings }) => {
    const folders = { bridge: join(stage.folder, 'bridge'), room: join(stage.folder, 'engine-room') };
    const PASSWORD = randomBytes(24).toString('base64url');
    const bridge = stage.start('bridge', new URL('bridge.ts', import.meta.url), {
      ...{ PASSWORD, BRIDGE_FOLDER: folders.bridge, BRIDGE_PORT: '0' },
    });
    const [, url = '', fingerprint = ''] = (await bridge.line(/^listens on (\S+), fingerprint (\S+)$/)).match;
    const room = stage.start('engine room', new URL('engine-room.ts', import.meta.url), {
      ...{ PASSWORD, ENGINE_ROOM_FOLDER: folders.room, READINGS: String(readings) },
      ...{ BRIDGE_URL: url, BRIDGE_FINGERPRINT: fingerprint },
    });
    await room.line(/^limit: received$/);
    await bridge.line(new RegExp(`\\breading-${readings}\\b.*: here$`));
    await room.stop();
    await bridge.stop();
    return compare([{ who: 'engine room', folder: folders.room, collection: 'metrics' }], {
      who: 'bridge',
      folder: folders.bridge,
      collection: 'metrics',
    });
  },
});
