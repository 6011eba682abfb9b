/** A client that trusts the server and is refused by it. */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import type { MessagingError } from '../../src/endpoint/index.js';
import type { TLSIdentity } from '../../src/security/index.js';
import { URLEndpoint } from '../../transports/websocket/index.js';
import { ConnectionRecorder } from '../conformance/index.js';
import { connectOptions } from './connect-options.js';

export interface RefusedConnection {
  readonly error: MessagingError;
  /** The subject of what `onServerCertificate` was called with, each time. */
  readonly shown: readonly string[];
}

/** Connects to a server on 127.0.0.1 and shows it the identity, if there is one; fails if it is let in. */
export async function refusedConnection(
  port: number,
  pin: X509Certificate,
  identity: TLSIdentity | undefined,
): Promise<RefusedConnection> {
  const shown: string[] = [];
  const connection = new URLEndpoint(`wss://127.0.0.1:${port}/db`).createConnection(
    connectOptions({
      trust: { pinnedServerCertificate: pin },
      onServerCertificate: ({ subject }) => void shown.push(subject),
      ...(identity === undefined ? {} : { identity }),
    }),
  );
  const error = await new ConnectionRecorder().open(connection).then(
    () => assert.fail('the connection was opened'),
    (reason: MessagingError) => reason,
  );
  await connection.close();
  return { error, shown };
}
