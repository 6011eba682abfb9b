/**
 * The broker of the example: Mosquitto, with mosquitto.conf and mosquitto.acl as they stand here but for port and folder; or aedes in this
 * process, with the same rules, where there is no Mosquitto.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { TLSIdentity } from 'hawser';

export interface Broker {
  readonly what: string;
  readonly url: string;
  /** The file of its certificate. */
  readonly authority: string;
  /** Starts it, or starts it again on the same port. Resolves when it takes connections. */
  start(): Promise<void>;
  /** Ends it without a farewell. Idempotent. */
  kill(): Promise<void>;
}

/** @param users their passwords by name; `station` is the one with topics of its own */
export async function makeBroker(
  kind: 'mosquitto' | 'aedes',
  folder: string,
  users: Readonly<Record<string, string>>,
): Promise<Broker> {
  const identity = await TLSIdentity.create({
    keyUsages: ['serverAuth'],
    attributes: { commonName: 'broker', ipAddresses: ['127.0.0.1'] },
  });
  await mkdir(join(folder, 'certs'), { recursive: true });
  const authority = join(folder, 'certs/broker.crt');
  await writeFile(authority, identity.certificatePem());
  const port = await freePort();
  const control = kind === 'aedes' ? aedes(port, users, identity) : await mosquitto(port, users, identity, folder);
  return { ...control, url: `mqtts://127.0.0.1:${port}`, authority };
}

/** Below those that Linux gives to connections: while the broker is down nobody gets its port by chance. */
async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(12_000, 32_000);
    const server = createTcpServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      await new Promise((resolve) => server.close(resolve));
      return port;
    } catch (error) {
      if (attempt === 20) throw error;
    }
  }
}

/** Where Mosquitto is. Debian puts it where only the PATH of root leads. */
export const MOSQUITTO = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  .map((directory) => join(directory, 'mosquitto'))
  .find((path) => existsSync(path));

type Control = Pick<Broker, 'what' | 'start' | 'kill'>;

async function mosquitto(
  port: number,
  users: Readonly<Record<string, string>>,
  identity: TLSIdentity,
  folder: string,
): Promise<Control> {
  const own = (name: string): Promise<string> => readFile(new URL(name, import.meta.url), 'utf8');
  const secret = { mode: 0o600 };
  const config = (await own('mosquitto.conf'))
    .replaceAll('/etc/mosquitto', folder)
    .replace('listener 8883', `listener ${port} 127.0.0.1`);
  const asRoot = process.getuid?.() === 0 ? 'user root\n' : '';
  await writeFile(join(folder, 'mosquitto.conf'), `${asRoot}log_dest stderr\n${config}`);
  await writeFile(join(folder, 'hawser.acl'), await own('mosquitto.acl'), secret);
  await writeFile(join(folder, 'certs/broker.key'), identity.privateKeyPem(), secret);
  const passwords = join(folder, 'hawser.passwords');
  await writeFile(
    passwords,
    Object.entries(users).map((user) => `${user.join(':')}\n`),
    secret,
  );
  // Replaces the passwords of the file by digests.
  const { status, error } = spawnSync('mosquitto_passwd', ['-U', passwords], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mosquitto_passwd failed: ${error?.message ?? `status ${status}`}`);

  let child: ChildProcess | undefined;
  process.once('exit', () => child?.kill('SIGKILL'));
  return {
    what: 'Mosquitto',
    async start() {
      child = spawn(MOSQUITTO ?? 'mosquitto', ['-c', join(folder, 'mosquitto.conf')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const said: string[] = [];
      for await (const line of createInterface(child.stderr!)) {
        said.push(line);
        if (/mosquitto version \S+ running/.test(line)) return void child.stderr?.resume();
      }
      throw new Error(`Mosquitto does not start:\n${said.join('\n')}`);
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function aedes(port: number, users: Readonly<Record<string, string>>, identity: TLSIdentity): Control {
  let end: (() => Promise<void>) | undefined;
  return {
    what: 'aedes, for there is no Mosquitto here or it was not wanted,',
    async start() {
      const broker = await Aedes.createBroker({
        authenticate: (client, username = '', password, done) =>
          done(null, client.id === username && users[username] === password?.toString()),
        authorizePublish: (client, { topic }, done) =>
          done(mayUse(client?.id, topic) ? null : new Error('not allowed')),
        authorizeForward: (client, packet) => (mayUse(client.id, packet.topic) ? packet : null),
      });
      broker.on('clientError', () => undefined).on('connectionError', () => undefined);
      const open = new Set<Socket>();
      const server = createServer({ cert: identity.certificatePem(), key: identity.privateKeyPem() }, (socket) => {
        open.add(socket.setNoDelay());
        socket.on('error', () => undefined).on('close', () => open.delete(socket));
        broker.handle(socket);
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      end = async () => {
        server.close();
        for (const socket of open) socket.destroy();
        await new Promise<void>((resolve) => broker.close(resolve));
      };
    },
    async kill() {
      await end?.();
      end = undefined;
    },
  };
}

/** The rules of mosquitto.acl. */
function mayUse(client: string | undefined, topic: string): boolean {
  const [prefix, , listener, kind, owner] = topic.split('/');
  if (prefix !== 'hawser') return false;
  return owner === client || kind === 'present' || (client === 'station' && listener === 'station');
}
