/**
 * Follows the packets in a stream of MQTT by their lengths alone (MQTT 5, 2.1.4), to notice one that is too large while its
 * first bytes arrive: the library would collect it whole, up to 256 MiB. **Pure.**
 */
export class PacketSizes {
  readonly #maximum: number;
  /** Bytes of the packet that are still to come; undefined while its header is being read. */
  #left: number | undefined;
  /** Of the header: bytes that were read, and the length as far as it is known. */
  #headerBytes = 0;
  #length = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** The size of a packet above the limit that begins in `chunk`; otherwise undefined. */
  take(chunk: Uint8Array): number | undefined {
    for (let at = 0; at < chunk.length;) {
      if (this.#left !== undefined) {
        const taken = Math.min(this.#left, chunk.length - at);
        at += taken;
        this.#passed(this.#left - taken);
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (this.#headerBytes++ === 0) continue; // what kind of packet it is
      this.#length += (byte & 0x7f) * 128 ** (this.#headerBytes - 2);
      if (byte >= 0x80 && this.#headerBytes < MAX_HEADER_BYTES) continue;
      const size = this.#headerBytes + this.#length;
      if (size > this.#maximum) return size;
      this.#passed(this.#length);
    }
    return undefined;
  }

  #passed(left: number): void {
    this.#left = left === 0 ? undefined : left;
    this.#headerBytes = 0;
    this.#length = 0;
  }
}

/** A length has four bytes at most; the parser of the library refuses a fifth. */
const MAX_HEADER_BYTES = 5;
