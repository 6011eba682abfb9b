/**
 * What the messages of one side mean, in a form that can be compared whole: two sides of different make mean the same if
 * these are deeply equal.
 *
 * Left out, because each side is free in it: numbers, order and timing; the IDs, times and revision strings of
 * checkpoints, and how often they are saved on the way; sizes of bodies; `uuid`; what announces a feature (`deltas`,
 * `sendReplacementRevs`); zeros at the end of a list of answers, and texts of errors. Of possible ancestors only the
 * newest counts: one that takes deltas names those it has the body of, one that does not may name all (specification 3.7.2).
 */
import type { ReplayReply, ReplayRequest, Side, Transcript } from './transcript.js';

/** By label; each `setCheckpoint` replaces the one before it. */
export type Meaning = Record<string, unknown>;

export function meaningOf(transcript: Transcript, side: Side): Meaning {
  const meaning: Meaning = {};
  for (const message of transcript.messages) {
    if (message.from !== side) continue;
    const label = transcript.labelOf(message);
    if (message.kind === 'reply') meaning[label] = ofReply(message);
    else if (message.properties['Profile'] !== 'setCheckpoint') meaning[label] = ofRequest(message);
    else meaning[checkpointLabel(message.properties['collection'])] = ofCheckpoint(parse(message.body));
  }
  return meaning;
}

/** Under which the last checkpoint of a collection stands in a {@link Meaning}. */
export function checkpointLabel(collection: string | undefined): string {
  return `checkpoint${collection === undefined ? '' : ` of ${collection}`}`;
}

/** What a checkpoint says (specification 4.1). */
export interface CheckpointMeaning {
  readonly local: number;
  readonly localCompleted: unknown;
  readonly remote: unknown;
}

function ofCheckpoint(json: unknown): CheckpointMeaning {
  const { local, localCompleted, remote } = json as Record<string, unknown>;
  return { local: typeof local === 'number' ? local : 0, localCompleted, remote };
}

function ofRequest(request: ReplayRequest): unknown {
  const { properties, body, urgent, noReply } = request;
  const manner = { urgent, noReply };
  const list = (): unknown[][] => (parse(body) as unknown[][] | null) ?? [];
  switch (properties['Profile']) {
    case 'getCollections': {
      const { collections, checkpoint_ids: ids } = parse(body) as { collections: string[]; checkpoint_ids: string[] };
      return { collections, checkpoints: ids.length, ...manner };
    }
    case 'changes':
      // Index 3 is a number from a core and may be a boolean from others (specification 3.7).
      return { changes: list().map(([seq, id, rev, deleted]) => [seq, id, rev, Number(deleted ?? 0)]), ...manner };
    case 'proposeChanges': {
      const proposals = list().map(([id, rev, parent]) => [id, rev, parent ?? '']);
      return { proposals, ...without(properties, ANNOUNCEMENT), ...manner };
    }
    case 'rev': {
      const { history = '', sequence, deleted, noconflicts, ...rest } = without(properties);
      return {
        ...rest,
        history: history.split(',').map((id) => id.trim()),
        sequence: parse(Buffer.from(sequence ?? 'null')),
        deleted: isTrue(deleted),
        noconflicts: isTrue(noconflicts),
        body: parse(body),
        ...manner,
      };
    }
    case 'subChanges':
      return { ...without(properties, 'sendReplacementRevs', ANNOUNCEMENT), body: parse(body), ...manner };
    default:
      return { ...without(properties, 'client', 'rev'), ...manner };
  }
}

function ofReply({ to, error, properties, body }: ReplayReply): unknown {
  if (error !== undefined) return { error };
  const features = without(properties, 'deltas', 'sendReplacementRevs');
  switch (to.properties['Profile']) {
    case 'getCollections':
      return (parse(body) as (Record<string, unknown> | null)[]).map((answer) => {
        if (answer === null) return null;
        const { rev, ...checkpoint } = answer;
        return { ...checkpoint, hasRevision: typeof rev === 'string' };
      });
    case 'getCheckpoint':
      return { checkpoint: parse(body), hasRevision: properties['rev'] !== undefined };
    case 'setCheckpoint':
      return { hasRevision: properties['rev'] !== undefined };
    case 'getAttachment':
      return { ...features, content: body.toString('base64') };
    case 'changes':
      return { ...features, answers: trimmed((parse(body) as unknown[] | undefined) ?? [], newestAncestor) };
    case 'proposeChanges':
      return { ...features, answers: trimmed((parse(body) as unknown[] | undefined) ?? [], (answer) => answer) };
    default:
      return { ...features, body: parse(body) };
  }
}

function newestAncestor(answer: unknown): unknown {
  return Array.isArray(answer) ? answer.slice(0, 1) : answer;
}

/** Without the zeros at the end, which say what silence says. */
function trimmed(answers: readonly unknown[], normal: (answer: unknown) => unknown): unknown[] {
  const list = answers.map((answer) => normal(answer ?? 0));
  while (list.at(-1) === 0) list.pop();
  return list;
}

/** The properties without those that only route the message, and without `names`. */
function without(properties: Readonly<Record<string, string>>, ...names: readonly string[]): Record<string, string> {
  const left = ['Profile', 'collection', ...names];
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !left.includes(name)));
}

function isTrue(value: string | undefined): boolean {
  return value === '1' || value === 'true';
}

function parse(body: Buffer): unknown {
  return body.length === 0 ? undefined : JSON.parse(body.toString());
}

/** What ours says beyond the recorded peers, which ignore it as they do every property that they do not know. */
const ANNOUNCEMENT = 'hawserRevs';
