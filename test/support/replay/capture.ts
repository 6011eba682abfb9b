/**
 * Recordings of conversations between real cores, read into transcripts: the `.json` files, whose frames are decoded
 * already, and the `.log` files of the stubs, which are text only.
 */
import { readFileSync } from 'node:fs';
import { sharedData } from '../shared-data.js';
import { Transcript, type ReplayMessage, type ReplayRequest, type Side } from './transcript.js';

export interface Capture {
  readonly name: string;
  readonly transcript: Transcript;
  /** The names of the collections in the order of their indexes; the default one where none are named (legacy mode). */
  readonly collections: readonly string[];
  /** The code with which the active peer ended the connection. */
  readonly closeCode: number | undefined;
  readonly upgrade: Upgrade;
}

/** The HTTP request that opened the connection. */
export interface Upgrade {
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the passive core chose, where one answered. */
  readonly acceptedProtocol: string | undefined;
}

/** Reads `captures/<name>.json`. */
export function loadCapture(name: string): Capture {
  const recording = JSON.parse(read(`${name}.json`)) as Recording;
  const conversation = new Conversation();
  for (const { dir, decoded } of recording.frames) {
    if (!decoded.complete) continue; // the last frame of a message holds all of it
    const { type, msgNo, flags, properties = {}, body = '' } = decoded;
    const content = body.startsWith('hex:') ? Buffer.from(body.slice(4), 'hex') : Buffer.from(body);
    conversation.add(dir === 'c2s' ? 'active' : 'passive', type, msgNo, flags, properties, content);
  }
  const close = recording.events.find(({ what }) => what === 'client-close');
  return {
    ...conversation.finish(name, close?.code),
    upgrade: readUpgrade(recording.upgradeRequests[0]?.lines ?? [], recording.upstreamProtocol),
  };
}

/** Reads `captures/31-stub-<name>.log`. */
export function loadStubLog(name: string): Capture {
  const conversation = new Conversation();
  let closeCode: number | undefined;
  for (const line of read(`31-stub-${name}.log`).split('\n')) {
    const [, client, server, close] = /^(?:C->S (.*)|S->C (.*)|close (\d+).*)$/.exec(line) ?? [];
    if (client !== undefined) readClientLine(client, conversation);
    if (server !== undefined) readServerLine(server, conversation);
    if (close !== undefined) closeCode = Number(close);
  }
  return {
    ...conversation.finish(`31-stub-${name}`, closeCode),
    upgrade: { path: '', headers: {}, acceptedProtocol: undefined },
  };
}

/** The collection that a message is about. */
export function collectionOf(capture: Capture, { properties }: ReplayRequest): string {
  return capture.collections[Number(properties['collection'] ?? 0)] ?? '_default';
}

interface Recording {
  readonly upgradeRequests: readonly { readonly lines: readonly string[] }[];
  readonly upstreamProtocol?: string;
  readonly events: readonly { readonly what: string; readonly code?: number }[];
  readonly frames: readonly {
    readonly dir: 'c2s' | 's2c';
    readonly decoded: {
      readonly type: 'MSG' | 'RPY' | 'ERR';
      readonly msgNo: number;
      readonly flags: number;
      readonly properties?: Readonly<Record<string, string>>;
      /** Text, or `hex:` and digits. */
      readonly body?: string;
      readonly complete?: boolean;
    };
  }[];
}

const COMPRESSED = 0x08;
const URGENT = 0x10;
const NO_REPLY = 0x20;

/** Puts the messages together: replies find their requests by number, of which each side has its own. */
class Conversation {
  readonly #transcript = new Transcript();
  readonly #requests = new Map<string, ReplayRequest>();

  add(
    from: Side,
    type: 'MSG' | 'RPY' | 'ERR',
    number: number,
    flags: number,
    properties: Readonly<Record<string, string>>,
    body: Buffer,
  ): void {
    const content = { from, properties, body, compressed: (flags & COMPRESSED) !== 0 };
    if (type === 'MSG') {
      const urgent = (flags & URGENT) !== 0;
      const noReply = (flags & NO_REPLY) !== 0;
      const request: ReplayMessage = { ...content, kind: 'request', urgent, noReply };
      this.#requests.set(`${from} ${number}`, request);
      this.#transcript.add(request);
      return;
    }
    const to = this.#requests.get(`${from === 'active' ? 'passive' : 'active'} ${number}`);
    if (to === undefined) throw new Error(`the recording answers request ${number}, which nobody sent`);
    const error = type === 'ERR' ? `${properties['Error-Domain']}/${properties['Error-Code']}` : undefined;
    this.#transcript.add({ ...content, kind: 'reply', to, error });
  }

  finish(name: string, closeCode: number | undefined): Omit<Capture, 'upgrade'> {
    const [opening] = this.#transcript.requests('active', 'getCollections');
    const collections: readonly string[] =
      opening === undefined ? ['_default'] : JSON.parse(opening.body.toString()).collections;
    return { name, transcript: this.#transcript, collections, closeCode };
  }
}

/** `MSG 2 0x18 name\0value\0 body` */
function readClientLine(line: string, conversation: Conversation): void {
  const [, type, number, flags, rest] = /^(MSG|RPY|ERR) (\d+) (0x\w+) (.*)$/.exec(line) ?? [];
  if (type === undefined || rest === undefined) throw new Error(`unreadable line of a log: ${line}`);
  const texts = rest.split('\\0');
  const body = (texts.pop() ?? '').slice(1);
  const properties: Record<string, string> = {};
  for (let index = 0; index + 1 < texts.length; index += 2) properties[texts[index] ?? ''] = texts[index + 1] ?? '';
  conversation.add('active', type as 'MSG', Number(number), Number(flags), properties, Buffer.from(body));
}

/** `2 0x1 {"name":"value"} body` */
function readServerLine(line: string, conversation: Conversation): void {
  const [, number, flags, properties, body = ''] = /^(\d+) (0x\w+) (\{.*?\}) (.*)$/.exec(line) ?? [];
  if (properties === undefined) throw new Error(`unreadable line of a log: ${line}`);
  const type = (['MSG', 'RPY', 'ERR'] as const)[Number(flags) & 7] ?? 'MSG';
  const values = JSON.parse(properties) as Record<string, string>;
  conversation.add('passive', type, Number(number), Number(flags), values, Buffer.from(body));
}

function readUpgrade(lines: readonly string[], acceptedProtocol: string | undefined): Upgrade {
  const [first = '', ...rest] = lines;
  const headers = rest.map((line) => /^([^:]+): *(.*)$/.exec(line) ?? []).map(([, name, value]) => [name, value]);
  return {
    path: first.split(' ')[1] ?? '',
    headers: Object.fromEntries(headers.map(([name = '', value = '']) => [name.toLowerCase(), value])),
    acceptedProtocol,
  };
}

function read(file: string): string {
  const path = sharedData(`captures/${file}`);
  if (path === undefined) throw new Error(`there is no captures/${file}`);
  return readFileSync(path, 'utf8');
}
