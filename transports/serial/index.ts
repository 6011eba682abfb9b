/**
 * `hawser/serial`: the place of the serial transport. This release has no such transport yet: the module exports nothing.
 */
export {};
