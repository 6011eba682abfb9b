/** What both ends tell `ws`, in one place, with the reasons. */

/** The largest message in either direction, in bytes: what LiteCore's own framer takes (specification 1.6). */
export const MAX_MESSAGE_SIZE = 1_048_576;

/** Options that a WebSocket client and a WebSocket server have in common. */
export function webSocketOptions() {
  return {
    // LiteCore takes any reserved bit for an error, and BLIP compresses already (specification 1.2).
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_SIZE,
    // Text is taken for bytes (specification 0.4, 5), so it need not be text.
    skipUTF8Validation: true,
    // A connection has its own limit for the close handshake, on its own clock: this one stands behind it.
    closeTimeout: 10_000,
  };
}
