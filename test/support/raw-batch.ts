/** Batches of revisions as a raw peer makes them: sound where nothing else is said, and as wrong as a test wants them. */
import type { RawBlipPeer, RawReply, RawRequest } from './raw-blip-peer.js';

/** One of document "d" where nothing else is said. */
export interface RawRevision {
  /** Itself, not the step to it. @default one more than that of the revision before */
  readonly sequence?: number;
  readonly id?: unknown;
  readonly rev?: unknown;
  readonly body?: string;
  /** @default that of the body */
  readonly length?: unknown;
  readonly deleted?: unknown;
  readonly history?: unknown;
  readonly deltaSrc?: unknown;
}

export function batchOf(revisions: readonly RawRevision[]): string {
  let before = 0;
  const rows = revisions.map(({ id = 'd', rev = '1-aa', body = '{"n":1}', ...rest }) => {
    const { sequence = before + 1, length = body.length, deleted = 0, history = '', deltaSrc } = rest;
    const step = sequence - before;
    before = sequence;
    return [step, id, rev, length, deleted, history, ...(deltaSrc === undefined ? [] : [deltaSrc])];
  });
  return `${JSON.stringify(rows)}\n${revisions.map(({ body = '{"n":1}' }) => body).join('')}`;
}

/** Sends a batch to collection 0. */
export function batchTo(
  raw: RawBlipPeer,
  revisions: readonly RawRevision[] | string | Uint8Array,
  properties: Readonly<Record<string, string>> = {},
): Promise<RawReply> {
  const body = typeof revisions === 'string' || revisions instanceof Uint8Array ? revisions : batchOf(revisions);
  return raw.request({ Profile: 'hawserRevs', collection: '0', ...properties }, body);
}

/** `HTTP/409` for each entry of an answer, 0 or 304 as they are; nothing for the zeros at its end. */
export function entriesOf(reply: RawReply): (string | number)[] {
  if (reply.text === '') return [];
  return (JSON.parse(reply.text) as (number | [string, number])[]).map((entry) =>
    typeof entry === 'number' ? entry : `${entry[0]}/${entry[1]}`,
  );
}

/** IDs of the documents in a batch of ours. */
export function idsOf(request: RawRequest): string[] {
  const rows = JSON.parse(request.text.slice(0, request.text.indexOf('\n'))) as [number, string][];
  return rows.map(([, id]) => id);
}

/** Bodies that are no batch. */
export const NO_BATCHES: readonly (string | Uint8Array)[] = [
  '',
  '\n',
  '{}',
  'null\n',
  '[]\n',
  '[[]]\n',
  '[[1,"d","1-aa"]]\n{}',
  '[[1,"d","1-aa",3]]\n{}',
  '[[1,"d","1-aa",1]]\n{}',
  '[[1,"d","1-aa",-2]]\n{}',
  '[[1,"d","1-aa",1e999]]\n{}',
  '[[null,"d","1-aa",2]]\n{}',
  '[[9007199254740993,"d","1-aa",2]]\n{}',
  '[[1,"d","1-aa",2,0,["1-aa"]]]\n{}',
  '[[1,"d","1-aa",2],[1,"e"]]\n{}',
  '[[1,"d","1-aa",4],[1,"e","1-aa",-2]]\n{}',
  '\ufeff[[1,"d","1-aa",2]]\n{}',
  `${'['.repeat(6_900)}${']'.repeat(6_900)}\n`,
  `[[1,"d","1-aa",20000]]\n${' '.repeat(20_000)}`,
  Buffer.from('[[1,"d","1-aa",1]]\n\xff', 'latin1'),
];
