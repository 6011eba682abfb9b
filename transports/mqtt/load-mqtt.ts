/** Loads the npm package mqtt, when the first connection is made and not before: who only syncs over a wire needs none. */
import type { MqttClient, connect } from 'mqtt';
import { loadPackage, MessagingError } from '../../src/index.js';

/** What is used of it. */
export interface MqttLibrary {
  readonly MqttClient: typeof MqttClient;
  readonly connect: typeof connect;
}

/** Rejects with `DEPENDENCY_MISSING`. */
export async function loadMqtt(): Promise<MqttLibrary> {
  try {
    return await loadPackage<MqttLibrary>('mqtt', () => import('mqtt'));
  } catch (cause) {
    const detail = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause);
    const message = `the package mqtt cannot be loaded (${detail}): npm install mqtt`;
    throw new MessagingError('DEPENDENCY_MISSING', message, { recoverable: false, cause });
  }
}
