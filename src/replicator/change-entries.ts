/** The lists in `changes` and `proposeChanges` and in their replies, parsed once into typed values (specification 3.7, 3.8). Pure. */
import { fromUtf8, parseJson, type JsonValue } from '../base/index.js';
import { HawserError } from '../errors.js';
import { isPlausibleRevisionID } from '../revision/index.js';
import { sequenceText } from './checkpoint.js';
import { MAX_JSON_BODY, MAX_LIST_ENTRIES } from './tuning.js';

/** One entry of `changes`. */
export interface AnnouncedChange {
  /** JSON text. */
  readonly sequence: string;
  readonly id: string;
  readonly revisionID: string;
  /** 1 deleted, 2 access revoked, 4 removed from every channel. */
  readonly flags: number;
}

/** One entry of `proposeChanges`. */
export interface ProposedChange {
  readonly id: string;
  readonly revisionID: string;
  /** What the sender believes to be the receiver's current revision; undefined for none. */
  readonly parentID: string | undefined;
}

/** What became of a proposal: 0 means send it. */
export interface ProposalAnswer {
  readonly status: number;
  /** With 409: the receiver's current revision, where it says so. */
  readonly revisionID: string | undefined;
}

/** Parses a JSON body; undefined where it is not JSON in UTF-8, and where it is larger than any message needs. */
export function parseJsonBody(body: Uint8Array): JsonValue | undefined {
  if (body.length > MAX_JSON_BODY) return undefined; // as values it would take up to twenty times the memory
  const text = fromUtf8(body);
  if (text === undefined) return undefined;
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** The body of a `changes`. Throws `REPLICATION_PROTOCOL_ERROR` where it is not JSON, and as {@link parseChanges}. */
export function readChanges(body: Uint8Array): AnnouncedChange[] {
  const list = parseJsonBody(body);
  if (list === undefined) throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'Invalid JSON body');
  return parseChanges(list);
}

/** Throws `REPLICATION_PROTOCOL_ERROR` for the whole list where one entry is unusable, as a core refuses it. `null` and no body are an empty list. */
export function parseChanges(list: JsonValue): AnnouncedChange[] {
  return entries(list).map((entry, index) => {
    const [sequence, id, revisionID, deleted] = entry;
    if (sequence === undefined || (typeof sequence === 'object' && sequence !== null)) throw invalid('sequence', index);
    const text = sequenceText(sequence);
    if (text.length > MAX_SEQUENCE_LENGTH) throw invalid('sequence', index);
    const flags = typeof deleted === 'number' ? deleted : deleted === true ? 1 : 0;
    return {
      sequence: text,
      id: checkID(id, index),
      revisionID: checkRevision(revisionID, index),
      flags,
    };
  });
}

/** As {@link parseChanges}. */
export function parseProposals(list: JsonValue): ProposedChange[] {
  return entries(list).map((entry, index) => {
    const [id, revisionID, parentID] = entry;
    const parent = typeof parentID === 'string' && parentID !== '' ? parentID : undefined;
    return { id: checkID(id, index), revisionID: checkRevision(revisionID, index), parentID: parent };
  });
}

/**
 * The answers to a `changes`: for each entry the revisions the receiver has already, or undefined where it does not want
 * it. Only arrays mean "send"; missing ones mean "not wanted"; an empty body is an empty list.
 */
export function parseChangesReply(body: Uint8Array, count: number): (readonly string[] | undefined)[] {
  const list = body.length === 0 ? [] : parseJsonBody(body);
  const answers = Array.isArray(list) ? list : [];
  return Array.from({ length: count }, (_, index) => {
    const answer = answers[index];
    return Array.isArray(answer) ? answer.filter((id): id is string => typeof id === 'string') : undefined;
  });
}

/** The answers to a `proposeChanges`. Whatever cannot be read as a refusal means "send it", and so does what is missing. */
export function parseProposalReply(body: Uint8Array, count: number): ProposalAnswer[] {
  const list = body.length === 0 ? [] : parseJsonBody(body);
  const answers = Array.isArray(list) ? list : [];
  return Array.from({ length: count }, (_, index) => {
    const answer = answers[index];
    if (typeof answer === 'number') return { status: answer, revisionID: undefined };
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer))
      return { status: 0, revisionID: undefined };
    const { status, rev } = answer;
    return {
      status: typeof status === 'number' ? status : 0,
      revisionID: typeof rev === 'string' && rev !== '' ? rev : undefined,
    };
  });
}

/** It becomes the property `since`, which has to fit into a message. */
const MAX_SEQUENCE_LENGTH = 1_000;

function entries(list: JsonValue): JsonValue[][] {
  if (list === null) return [];
  if (!Array.isArray(list)) throw new HawserError('REPLICATION_PROTOCOL_ERROR', 'a list of changes is not an array');
  if (list.length > MAX_LIST_ENTRIES) {
    throw new HawserError('REPLICATION_PROTOCOL_ERROR', `a list of more than ${MAX_LIST_ENTRIES} changes`);
  }
  return list.map((entry, index) => {
    if (!Array.isArray(entry)) throw invalid('entry', index);
    return entry;
  });
}

/** Only what a document ID can never be is refused here; the strict rules apply when the revision comes (0.4.3). */
function checkID(id: JsonValue | undefined, index: number): string {
  if (typeof id !== 'string' || id === '' || id.length > 255 || Buffer.byteLength(id) > 255)
    throw invalid('docID', index);
  return id;
}

function checkRevision(revisionID: JsonValue | undefined, index: number): string {
  if (typeof revisionID !== 'string' || !isPlausibleRevisionID(revisionID)) throw invalid('revID', index);
  return revisionID;
}

function invalid(what: string, index: number): HawserError {
  return new HawserError(
    'REPLICATION_PROTOCOL_ERROR',
    `Invalid ${what} in entry ${index + 1} of the incoming list of changes`,
  );
}
