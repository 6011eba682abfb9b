/** Connects to an MQTT broker and says good-bye: with MQTT 5, and with 3.1.1 where it refuses that. Nothing is published. */
import { randomBytes } from 'node:crypto';
import type { connect, MqttClient } from 'mqtt';
import { codeOf, ok, problem, said, type Finding } from './finding.js';

export async function checkBroker(broker: URL): Promise<Finding> {
  let library: { readonly connect: typeof connect };
  try {
    library = (await import('mqtt')).default;
  } catch (error) {
    return problem('broker', `Not tried: the package mqtt cannot be loaded (${said(error)}).`, 'npm install mqtt');
  }
  const visit = (version: 4 | 5): Promise<void> => greet(library.connect, broker, version);
  try {
    await visit(5);
    return ok('broker', `${broker.host} speaks MQTT 5.`);
  } catch (error) {
    if (!knowsOnlyOthers(error)) return judgeBroker(broker, error);
  }
  try {
    await visit(4);
    return ok('broker', `${broker.host} speaks MQTT 3.1.1, not 5.`);
  } catch (error) {
    return judgeBroker(broker, error);
  }
}

/** Resolves when the broker has let us in and we have left; rejects with what the library or the network says. */
async function greet(begin: typeof connect, broker: URL, protocolVersion: 4 | 5): Promise<void> {
  const url = new URL(broker);
  const [username, password] = [
    decoded(url.username) || process.env['HAWSER_BROKER_USERNAME'],
    decoded(url.password) || process.env['HAWSER_BROKER_PASSWORD'],
  ];
  url.username = '';
  url.password = '';
  const client = begin(url.href, {
    protocolVersion,
    clientId: `hawser-doctor-${randomBytes(4).toString('hex')}`,
    reconnectPeriod: 0,
    connectTimeout: TIMEOUT_MS,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    // With DEBUG=mqttjs* set it would print the password.
    log: () => undefined,
  });
  try {
    await opened(client);
  } finally {
    client.on('error', () => undefined);
    await client.endAsync(true).catch(() => undefined);
  }
}

function opened(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new HungUp('the connection was closed without an answer')));
  });
}

class HungUp extends Error {}

/** Of the reasons for which a broker refuses, those of the version; old ones just hang up. */
function knowsOnlyOthers(error: unknown): boolean {
  return error instanceof HungUp || reasonOf(error) === 1 || reasonOf(error) === 0x84;
}

function reasonOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

export function judgeBroker({ host, protocol }: URL, error: unknown): Finding {
  const failed = (found: string, remedy: string): Finding => problem('broker', `${host}: ${found}.`, remedy);
  const code = codeOf(error) ?? (error instanceof AggregateError ? codeOf(error.errors[0]) : undefined) ?? '';
  const reason = reasonOf(error);
  if (reason === 4 || reason === 5 || reason === 0x86 || reason === 0x87) {
    return failed(
      'user name or password is wrong, or not allowed here',
      'Set HAWSER_BROKER_USERNAME and HAWSER_BROKER_PASSWORD.',
    );
  }
  if (reason !== undefined) return failed(`the broker refuses (${said(error)})`, 'See the log of the broker.');
  if (code === 'ECONNREFUSED') return failed('nobody listens there', 'Start the broker, and check host and port.');
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return failed(
      'the host name cannot be resolved',
      'Check its spelling, and the DNS of this machine (/etc/resolv.conf).',
    );
  }
  if (/^(EHOST|ENET)/.test(code)) return failed('there is no route to the host', 'Check cable, address and network.');
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    return failed(
      `its certificate is not valid now (${code})`,
      'Set the clock of this machine, or renew the certificate.',
    );
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    const remedy =
      'Start the doctor with NODE_EXTRA_CA_CERTS=FILE, the authority of the broker; in hawser it is trustedCertificates.';
    return failed(`its certificate is not believed (${code})`, remedy);
  }
  if (/^(EPROTO|ERR_SSL)/.test(code))
    return failed(`TLS failed (${code})`, 'Does that port speak TLS? If not: mqtt instead of mqtts.');
  const secure = protocol === 'mqtt:' || protocol === 'ws:' ? ' Does that port want TLS (mqtts, wss)?' : '';
  return failed(said(error), `Check host and port.${secure} See the log of the broker.`);
}

const TIMEOUT_MS = 15_000;

/** A percent sign that stands for itself is left as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
