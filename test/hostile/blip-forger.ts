/** BLIP frames with the right checksums and anything else wrong: what the engine's own end would not send. */
import { constants, deflateRawSync } from 'node:zlib';
import { varintLength, writeVarint } from '../../src/base/index.js';
import { BlipConnection } from '../../src/blip/index.js';
import { crc32 } from '../../src/blip/crc.js';

export interface ForgedFrame {
  /** @default 'request' */
  readonly type?: 'request' | 'response' | 'ack';
  /** Of the message. @default 1 */
  readonly number?: number;
  readonly payload?: Uint8Array;
  /** Instead of a payload. */
  readonly deflated?: Bomb;
  /** The message goes on after it. @default false */
  readonly more?: boolean;
  /** Of an acknowledgement. */
  readonly acknowledged?: number;
}

export interface Bomb {
  readonly bytes: Uint8Array;
  /** How many zeros it inflates to. */
  readonly length: number;
}

/** The sending end of one connection. */
export class BlipForger {
  #checksum = 0;

  frame({ type = 'request', number = 1, payload, deflated, more = false, acknowledged = 0 }: ForgedFrame): Buffer {
    if (type === 'ack') return Buffer.concat([varint(number), Buffer.from([4]), varint(acknowledged)]);
    const flags = (type === 'request' ? 0 : 1) | (deflated === undefined ? 0 : 0x08) | (more ? 0x40 : 0);
    const content = payload ?? (deflated === undefined ? Buffer.alloc(0) : zeros(deflated.length));
    this.#checksum = crc32(content, this.#checksum);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(this.#checksum);
    return Buffer.concat([varint(number), Buffer.from([flags]), deflated?.bytes ?? content, checksum]);
  }
}

/** The properties of a message, as names and values in turns. */
export function properties(...texts: readonly string[]): Buffer {
  const bytes = Buffer.from(texts.map((text) => `${text}\0`).join(''));
  return Buffer.concat([varint(bytes.length), bytes]);
}

const bombs = new Map<number, Bomb>();

/** Zeros, a thousandth as long. Each can stand after any other on one connection. */
export function bomb(length: number): Bomb {
  let made = bombs.get(length);
  if (made === undefined) {
    const bytes = deflateRawSync(zeros(length), { finishFlush: constants.Z_SYNC_FLUSH });
    made = { bytes: bytes.subarray(0, -4), length }; // without the trailer that BLIP leaves out
    bombs.set(length, made);
  }
  return made;
}

let zeroes: Buffer = Buffer.alloc(0);

function zeros(length: number): Buffer {
  if (zeroes.length < length) zeroes = Buffer.alloc(length);
  return zeroes.subarray(0, length);
}

/** The first frames of a client, as the engine makes them. */
export function honestFrames(): Uint8Array[] {
  const connection = new BlipConnection();
  const frames: Uint8Array[] = [];
  const ask = (texts: Readonly<Record<string, string>>, body = ''): void => {
    connection.sendRequest({ properties: texts, body: Buffer.from(body), compressed: true });
    for (let frame = connection.pollFrame(); frame !== undefined; frame = connection.pollFrame()) frames.push(frame);
  };
  ask({ Profile: 'getCollections' }, '{"collections":["metrics"],"checkpoint_ids":["cp-hostile"]}');
  ask({ Profile: 'subChanges', collection: '0', since: '0', batch: '200' });
  ask({ Profile: 'proposeChanges', collection: '0' }, '[["mallory-1","1-aa"],["mallory-2","1-aa"]]');
  ask({ Profile: 'rev', collection: '0', id: 'mallory-1', rev: '1-aa' }, `{"text":"${'m'.repeat(20_000)}"}`);
  ask({ Profile: 'setCheckpoint', collection: '0', client: 'cp-hostile' }, '{"local":1}');
  connection.close();
  return frames;
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
