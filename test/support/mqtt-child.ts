/**
 * A process with one client of a broker. `connect URL [TOPIC]` connects, with TOPIC as its will, prints `connected` or why not,
 * and leaves when its input ends.
 */
import { once } from 'node:events';
import { isHawserError } from '../../src/errors.js';
import { systemClock } from '../../src/base/index.js';
import { BrokerClient } from '../../transports/mqtt/broker-client.js';
import { checkBroker } from '../../transports/mqtt/broker-options.js';

const [command, url = '', topic] = process.argv.slice(2);
if (command !== 'connect') throw new Error(`unknown command ${command}`);
const client = new BrokerClient({
  broker: checkBroker('child', url),
  clientId: 'child',
  clock: systemClock,
  ...(topic === undefined ? {} : { will: { topic, payload: Buffer.from('gone'), retain: false } }),
  onMessage: () => undefined,
});
try {
  await client.connect();
  console.log('connected');
  process.stdin.resume();
  await once(process.stdin, 'end');
} catch (error) {
  console.log(isHawserError(error) ? `${error.code} ${error.message}` : error);
}
await client.end();
