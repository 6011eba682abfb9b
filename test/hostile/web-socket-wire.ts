/** WebSocket frames as bytes (RFC 6455 5.2), right and wrong ones: what a library would refuse to send is what is needed here. */

export interface FrameOptions {
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong; the others are not defined. @default 2 */
  readonly opcode?: number;
  /** @default true */
  readonly fin?: boolean;
  /** The three reserved bits; 4 says that the payload is deflated. @default 0 */
  readonly reserved?: number;
  /** A client must. @default true */
  readonly masked?: boolean;
  /** What the header says, whatever follows. @default the length of the payload */
  readonly claimedLength?: number;
}

/** A frame of a client. The mask is all zeros, which is allowed and leaves the payload as it is. */
export function clientFrame(payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { opcode = 2, fin = true, reserved = 0, masked = true, claimedLength = payload.length } = options;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  return Buffer.concat([
    Buffer.from([first]),
    lengthField(claimedLength, masked),
    Buffer.alloc(masked ? 4 : 0),
    payload,
  ]);
}

function lengthField(length: number, masked: boolean): Buffer {
  const mask = masked ? 0x80 : 0;
  if (length < 126) return Buffer.from([mask | length]);
  const field = Buffer.alloc(length < 65_536 ? 3 : 9);
  if (length < 65_536) field.writeUInt16BE(length, 1);
  else field.writeBigUInt64BE(BigInt(length), 1);
  field[0] = mask | (length < 65_536 ? 126 : 127);
  return field;
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Takes the frames of a server out of a stream; they are whole and not masked, since the server is ours. */
export class ServerFrames {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ServerFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: ServerFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ServerFrame | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const short = rest.readUInt8(1) & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (rest.length < start) return undefined;
    const length = short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < start + length) return undefined;
    this.#rest = rest.subarray(start + length);
    return { opcode: rest.readUInt8(0) & 0x0f, payload: rest.subarray(start, start + length) };
  }
}
