/** What a replicator would pass to `Endpoint.createConnection`. */
import { silentLogger, systemClock } from '../../src/base/index.js';
import type { ConnectOptions } from '../../src/endpoint/index.js';

export function connectOptions(overrides: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    protocols: ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'],
    trust: {},
    heartbeatMs: 300_000,
    connectTimeoutMs: 15_000,
    clock: systemClock,
    logger: silentLogger,
    ...overrides,
  };
}
