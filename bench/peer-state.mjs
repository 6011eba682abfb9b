/** What a peer process has open; its commands share it. */
export const peer = { database: undefined, collection: undefined };
