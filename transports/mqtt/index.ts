/**
 * `hawser/mqtt`: the place of the MQTT transport. This release has no such transport yet: the module exports nothing.
 */
export {};
