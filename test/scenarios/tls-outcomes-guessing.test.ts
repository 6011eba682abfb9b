/** Passwords that are guessed, on media with and without an HTTP handshake: guessing gets slow, and stops nobody for good. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BasicAuthenticator, ListenerPasswordAuthenticator, type Replicator } from '../../src/index.js';
import { openPeer } from '../support/peers.js';
import { skipWaits } from '../support/retry-clock.js';
import { replicatorTo, secure, ws, type ClientOptions } from '../support/secure-peers.js';
import { VirtualClock } from '../support/virtual-clock.js';

const LIMIT = { timeout: 120_000 };
/** More failures than any listener should take without a pause. */
const MANY = 50;

for (const medium of [ws, secure]) {
  describe(`guessing passwords, over ${medium.name}`, LIMIT, () => {
    it('is slowed down, and whoever knows the password gets in a little later', async (context) => {
      const clock = new VirtualClock();
      const a = await openPeer(context, 'a');
      const l = await openPeer(context, 'l', { clock });
      const server = await medium.listen(context, l, {
        authenticator: new ListenerPasswordAuthenticator((_, password) => password === 'right'),
        limits: { maxLoginDelay: 1 },
      });
      const replicatorWith = (password: string, options: ClientOptions = {}): Replicator =>
        replicatorTo(context, server, a, {
          authenticator: new BasicAuthenticator('alice', password),
          ...(medium === ws ? {} : { acceptOnlySelfSignedServerCertificate: true }),
          clock,
          ...options,
        });
      const attempt = async (password: string): Promise<number | undefined> => {
        const replicator = replicatorWith(password, { maxAttempts: 1 });
        replicator.start();
        return (await replicator.stopped())?.number;
      };
      const numbers = [await attempt('wrong')];
      while (numbers.at(-1) === 10_401 && numbers.length < MANY) numbers.push(await attempt('wrong'));
      assert.equal(numbers[0], 10_401);
      assert.equal(numbers.at(-1), 10_429);
      assert.equal(await attempt('right'), 10_429, 'while it lasts nothing is looked at, or guessing would go on');

      const replicator = replicatorWith('right');
      const waits: unknown[] = [];
      replicator.on('status', ({ activity, error }) => activity === 'offline' && waits.push(error?.code));
      skipWaits(replicator, clock);
      await a.metrics.save('pump', {});
      replicator.start();
      assert.equal(await replicator.stopped(), undefined);
      assert.deepEqual(waits, ['AUTHENTICATION_DELAYED']);
      assert.notEqual(await l.metrics.get('pump'), undefined);
    });
  });
}
