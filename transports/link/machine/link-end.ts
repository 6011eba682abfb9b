/** How a link ends. */

export type LinkEnd =
  /** By the peer, with a close code of WebSocket (RFC 6455 7.4). */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: LinkOutcome; readonly reason: string };

/**
 * `done`: as this end wished. `silent`: the peer is not there any more. `restarted`: the peer knows nothing of this link.
 * `replaced`: the peer has made a new one. `violation`: the peer does not keep to the rules. `version`: it speaks another one.
 */
export type LinkOutcome = 'done' | 'silent' | 'restarted' | 'replaced' | 'violation' | 'version';

const REASONS: Readonly<Record<LinkOutcome, string>> = {
  done: 'the link was closed',
  silent: 'the peer went silent',
  restarted: 'the peer has forgotten the link, as after a restart',
  replaced: 'the peer has connected anew',
  violation: 'the peer broke the rules of the link',
  version: 'the peer speaks another version of the link',
};

export function linkOutcome(kind: LinkOutcome, detail?: string): LinkEnd {
  return { kind, reason: detail === undefined ? REASONS[kind] : `${REASONS[kind]}: ${detail}` };
}
