/**
 * A Mosquitto of a test's own: a real broker on free ports of the loopback, with everything it reads in a folder that goes
 * when the test ends. It can be killed, restarted on the same ports, and put to sleep.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { pbkdf2Sync, randomBytes, type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { TLSIdentity } from '../../src/security/index.js';
import { cleanup } from './cleanup.js';
import { temporaryDirectory } from './temporary-directory.js';

export type MosquittoListener = 'mqtt' | 'mqtts' | 'ws' | 'wss';

export interface MosquittoOptions {
  /** Beside `mqtt`, which is always there. */
  readonly listeners?: readonly MosquittoListener[];
  /** What is shown over TLS. @default a self-signed certificate for localhost and 127.0.0.1 */
  readonly identity?: TLSIdentity;
  /** Over TLS a client must show a certificate that this one has issued; its common name is then the user. */
  readonly clientAuthority?: X509Certificate;
  /** Passwords by user. @default everybody is let in */
  readonly users?: Readonly<Record<string, string>>;
  /** The text of an `acl_file`. Mosquitto lets everybody subscribe to everything, and delivers only what may be read. */
  readonly acl?: string;
  /** Further lines of the configuration, before the listeners. */
  readonly config?: readonly string[];
}

/** Why there is no Mosquitto here; undefined if there is one. */
export function mosquittoProblem(): string | undefined {
  return program === undefined ? 'there is no mosquitto here: install the Debian package mosquitto' : undefined;
}

/** Resolves when it takes connections. */
export async function startMosquitto(context: TestContext, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const identity = options.identity ?? (await localhostIdentity());
  const folder = await temporaryDirectory(context);
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const { users, acl, clientAuthority: authority, config = [] } = options;
  // With none but WebSockets it does not start.
  const listeners = [...new Set(['mqtt' as const, ...(options.listeners ?? [])])];
  const passwords = Object.entries(users ?? {}).map(([user, password]) => mosquittoPasswordLine(user, password));
  const general = [
    ...ofTheTest(),
    ...['persistence false', 'set_tcp_nodelay true'],
    `allow_anonymous ${users === undefined}`,
    ...(users === undefined ? [] : [`password_file ${await file('passwords', passwords.join(''))}`]),
    ...(acl === undefined ? [] : [`acl_file ${await file('acl', acl)}`]),
    ...config,
  ];
  const tls = [
    `certfile ${await file('certificate.pem', identity.certificatePem())}`,
    `keyfile ${await file('key.pem', identity.privateKeyPem())}`,
    ...(authority === undefined ? [] : [`cafile ${await file('authority.pem', authority.toString())}`]),
    ...(authority === undefined ? [] : ['require_certificate true', 'use_identity_as_username true']),
  ];
  const configure = (ports: Ports): Promise<string> => {
    const lines = listeners.flatMap((name) => [
      `listener ${ports.get(name)} 127.0.0.1`,
      `protocol ${name.startsWith('ws') ? 'websockets' : 'mqtt'}`,
      ...(name.endsWith('s') && name !== 'ws' ? tls : []),
    ]);
    return file('mosquitto.conf', [...general, ...lines, ''].join('\n'));
  };
  const broker = new Mosquitto(listeners, identity, configure);
  cleanup(context, () => broker.kill());
  await broker.restart();
  return broker;
}

/**
 * One that is configured as it would be on a server: the text is used as it stands, but that port 8883 and the folder
 * /etc/mosquitto are others here. `files` are those of that folder, by their names in it.
 */
export async function startConfiguredMosquitto(
  context: TestContext,
  text: string,
  files: Readonly<Record<string, string>>,
  identity: TLSIdentity,
): Promise<Mosquitto> {
  const folder = await temporaryDirectory(context);
  const configure = async (ports: Ports): Promise<string> => {
    const lines = text.replaceAll('/etc/mosquitto', folder).replace('listener 8883', `listener ${ports.get('mqtts')}`);
    for (const [name, content] of Object.entries({
      ...files,
      'mosquitto.conf': `${ofTheTest().join('\n')}\n${lines}`,
    })) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content, { mode: 0o600 });
    }
    return join(folder, 'mosquitto.conf');
  };
  const broker = new Mosquitto(['mqtts'], identity, configure);
  cleanup(context, () => broker.kill());
  await broker.restart();
  return broker;
}

/** Who it runs as, and that it tells when it is ready. */
function ofTheTest(): string[] {
  return [
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    ...['log_dest stderr', 'log_type all', 'connection_messages true'],
  ];
}

/** A line of a `password_file`, in the format of Mosquitto 2 (PBKDF2 with SHA-512). */
export function mosquittoPasswordLine(user: string, password: string): string {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512');
  return `${user}:$7$${ITERATIONS}$${salt.toString('base64')}$${hash.toString('base64')}\n`;
}

/** Self-signed, for `localhost` and `127.0.0.1`. */
export function localhostIdentity(): Promise<TLSIdentity> {
  return TLSIdentity.create({
    keyUsages: ['serverAuth'],
    attributes: { commonName: 'localhost', hostnames: ['localhost'], ipAddresses: ['127.0.0.1'] },
  });
}

type Ports = ReadonlyMap<MosquittoListener, number>;

export class Mosquitto {
  /** What it shows over TLS. */
  readonly identity: TLSIdentity;
  readonly #listeners: readonly MosquittoListener[];
  readonly #configure: (ports: Ports) => Promise<string>;
  #ports: Ports = new Map();
  #process: ChildProcess | undefined;
  #log = '';

  /** For {@link startMosquitto}. */
  constructor(
    listeners: readonly MosquittoListener[],
    identity: TLSIdentity,
    configure: (ports: Ports) => Promise<string>,
  ) {
    this.#listeners = listeners;
    this.identity = identity;
    this.#configure = configure;
  }

  /** What it has said since it was started last. */
  get log(): string {
    return this.#log;
  }

  port(listener: MosquittoListener = 'mqtt'): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`this Mosquitto does not listen for ${listener}`);
    return port;
  }

  url(listener: MosquittoListener = 'mqtt'): string {
    return `${listener}://127.0.0.1:${this.port(listener)}`;
  }

  /** Starts it again, on the ports it had. Resolves when it takes connections. */
  async restart(): Promise<void> {
    await this.kill();
    for (let attempt = 1; ; attempt++) {
      const ports = this.#ports.size > 0 ? this.#ports : new Map(this.#listeners.map((name) => [name, nextPort()]));
      if (await this.#start(await this.#configure(ports))) {
        this.#ports = ports;
        return;
      }
      const isUnlucky = /already in use|Unable to create websockets listener/i.test(this.#log);
      if (!isUnlucky || this.#ports.size > 0 || attempt === MAX_ATTEMPTS) {
        throw new Error(`mosquitto does not start:\n${this.#log}`);
      }
    }
  }

  /** Ends it in order: it closes its connections. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Ends it as a power cut would, but that the system closes its connections. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** From now on it neither reads nor writes, and its connections stay. */
  sleep(): void {
    this.#process?.kill('SIGSTOP');
  }

  wake(): void {
    this.#process?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'close');
    child.kill(signal);
    child.kill('SIGCONT');
    await ended;
  }

  /** False if it ended before it was ready. */
  async #start(configuration: string): Promise<boolean> {
    const child = spawn(program ?? 'mosquitto', ['-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    this.#log = '';
    const isReady = await new Promise<boolean>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-MAX_LOG_LENGTH);
        if (/mosquitto version \S+ running/.test(this.#log)) resolve(true);
      });
      child.once('error', reject).once('close', () => resolve(false));
    });
    if (!isReady) this.#process = undefined;
    return isReady;
  }
}

/** Debian puts it where only the PATH of root leads. */
const program = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  .map((folder) => join(folder, 'mosquitto'))
  .find((path) => existsSync(path));

/**
 * Below those that Linux gives to connections: while a broker is down, nobody gets its port by chance. Processes begin at
 * different places, and where one is taken all the same the next are tried.
 */
function nextPort(): number {
  return FIRST_PORT + ((process.pid * 61 + lastPort++) % PORTS);
}

let lastPort = 0;
const FIRST_PORT = 12_000;
const PORTS = 20_000;
const MAX_ATTEMPTS = 20;
const MAX_LOG_LENGTH = 1_000_000;
/** Few: these passwords protect nothing. */
const ITERATIONS = 101;
