/**
 * What a frame holds on a bus that several nodes share: a byte that says whose it is, and a packet of the link, if there is one.
 *
 *   bit 7     1 from the gateway, 0 from a node: an adapter that hears itself does not take its own words for another's
 *   bit 6     the turn passes with this frame: from the gateway to the node, or back
 *   bits 0–5  the address of the node, 1 to 32
 */

export interface BusFrame {
  readonly fromGateway: boolean;
  readonly address: number;
  readonly passesTurn: boolean;
  readonly packet: Uint8Array | undefined;
}

export const MAX_ADDRESS = 32;
/** Bytes that a bus adds to each packet. */
export const BUS_HEADER_SIZE = 1;

/** The content of a frame. */
export function encodeBusFrame({ fromGateway, address, passesTurn, packet }: BusFrame): Uint8Array {
  const content = new Uint8Array(BUS_HEADER_SIZE + (packet?.length ?? 0));
  content[0] = (fromGateway ? FROM_GATEWAY : 0) | (passesTurn ? PASSES_TURN : 0) | address;
  if (packet !== undefined) content.set(packet, BUS_HEADER_SIZE);
  return content;
}

/** Undefined for an address that there cannot be. */
export function decodeBusFrame(content: Uint8Array): BusFrame | undefined {
  const head = content[0] ?? 0;
  const address = head & ADDRESS;
  if (address < 1 || address > MAX_ADDRESS) return undefined;
  return {
    fromGateway: (head & FROM_GATEWAY) !== 0,
    address,
    passesTurn: (head & PASSES_TURN) !== 0,
    packet: content.length > BUS_HEADER_SIZE ? content.subarray(BUS_HEADER_SIZE) : undefined,
  };
}

const FROM_GATEWAY = 0x80;
const PASSES_TURN = 0x40;
const ADDRESS = 0x3f;
