/**
 * A passive core as a recording shows one, for an active replicator of ours. It answers a request as the recorded core
 * answered the request with the same label, and pushes what that one pushed when it is asked for it.
 *
 * Beyond the recording it does what every passive peer does: it keeps checkpoints, because how often they are saved is up
 * to the client, and it refuses `getCollections` where the recorded client never asked (legacy mode). Any other request
 * that the recorded client did not make fails the test.
 */
import { MessagingError, type MessageEndpointConnection } from '../../../src/index.js';
import type { Capture } from './capture.js';
import type { Deadline } from './deadline.js';
import { ScriptedPeer, type Script } from './scripted-peer.js';
import { isCaughtUp, type ReplayReply, type ReplayRequest, type Transcript } from './transcript.js';

export interface PassiveCoreOptions {
  /** Called with the ID of each checkpoint that the client asks for, before the answer, if the recorded core had one. */
  readonly onCheckpoint?: (collection: string, id: string, checkpoint: Record<string, unknown>) => Promise<void>;
}

export class PassiveCore {
  readonly #capture: Capture;
  readonly #deadline: Deadline;
  readonly #options: PassiveCoreOptions;
  readonly #peer: ScriptedPeer;
  /** Revision of each checkpoint, by its ID. */
  readonly #checkpoints = new Map<string, string>();

  constructor(
    connection: MessageEndpointConnection,
    capture: Capture,
    deadline: Deadline,
    options: PassiveCoreOptions = {},
  ) {
    this.#capture = capture;
    this.#deadline = deadline;
    this.#options = options;
    this.#peer = new ScriptedPeer(connection, 'passive', deadline, (request) => {
      this.#handle(request).catch((error: unknown) => deadline.fail(error));
    });
    void this.#peer.open().catch((error: unknown) => deadline.fail(error));
  }

  get transcript(): Transcript {
    return this.#peer.transcript;
  }

  /** The code with which the client ended the connection. */
  async closeCode(): Promise<number> {
    const reason = await this.#deadline.wait('the client to end the connection', this.#peer.ended);
    return reason instanceof MessagingError ? reason.closeCode : 1006;
  }

  async #handle(request: ReplayRequest): Promise<void> {
    const label = this.transcript.labelOf(request);
    const recorded = this.#capture.transcript.find(label);
    const answer = recorded?.kind === 'request' ? this.#capture.transcript.replyTo(recorded) : undefined;
    switch (request.properties['Profile']) {
      case 'getCollections':
        if (recorded === undefined) return this.#respond(request, REFUSED);
        await this.#handOverAll(request, answer);
        return this.#respond(request, answer);
      case 'getCheckpoint':
        await this.#handOver('_default', request.properties['client'] ?? '', answer);
        return this.#respond(request, answer);
      case 'setCheckpoint':
        return this.#saveCheckpoint(request, answer);
      case 'subChanges':
        this.#respond(request, answer);
        return this.#feed(request.properties['collection']);
      default:
        if (recorded === undefined) throw new Error(`the recorded client did not send "${label}"`);
        if (request.properties['Profile'] === 'rev') await this.#fetchBlobs(request);
        return this.#respond(request, answer);
    }
  }

  /** Asks for the contents that the recorded core asked for before it took the revision. */
  async #fetchBlobs({ properties }: ReplayRequest): Promise<void> {
    for (const wanted of this.#recorded('getAttachment', properties['collection'])) {
      if (wanted.properties['docID'] !== properties['id']) continue;
      const label = `active: reply to ${this.transcript.labelOf(this.#peer.request(wanted))}`;
      await this.#deadline.wait(label, this.transcript.until(label));
    }
  }

  #respond(request: ReplayRequest, answer: (Script & Pick<ReplayReply, 'error'>) | undefined): void {
    if (answer !== undefined) this.#peer.respond(request, answer);
  }

  #saveCheckpoint(request: ReplayRequest, answer: ReplayReply | undefined): void {
    const { client = '', rev = '' } = request.properties;
    const expected = this.#checkpoints.get(client) ?? '';
    if (rev !== expected) throw new Error(`setCheckpoint came with revision "${rev}" instead of "${expected}"`);
    const next = answer?.properties['rev'] ?? `${Number.parseInt(expected || '0', 10) + 1}-cc`;
    if (answer?.error === undefined) this.#checkpoints.set(client, next);
    this.#respond(
      request,
      answer ?? { properties: { rev: next }, body: Buffer.alloc(0), compressed: false, error: undefined },
    );
  }

  async #handOverAll(request: ReplayRequest, answer: ReplayReply | undefined): Promise<void> {
    if (answer === undefined || answer.error !== undefined) return;
    const { checkpoint_ids: ids, collections } = JSON.parse(request.body.toString()) as Record<string, string[]>;
    const answers = JSON.parse(answer.body.toString()) as (Record<string, unknown> | null)[];
    for (const [index, checkpoint] of answers.entries()) {
      if (checkpoint === null || typeof checkpoint['rev'] !== 'string') continue;
      const { rev, ...rest } = checkpoint;
      this.#checkpoints.set(ids?.[index] ?? '', rev);
      await this.#options.onCheckpoint?.(collections?.[index] ?? '', ids?.[index] ?? '', rest);
    }
  }

  async #handOver(collection: string, id: string, answer: ReplayReply | undefined): Promise<void> {
    if (answer === undefined || answer.error !== undefined) return;
    this.#checkpoints.set(id, answer.properties['rev'] ?? '');
    await this.#options.onCheckpoint?.(collection, id, JSON.parse(answer.body.toString()) as Record<string, unknown>);
  }

  /** Announces what the recorded core announced, and sends what of it the client wants. */
  async #feed(collection: string | undefined): Promise<void> {
    const lists = this.#recorded('changes', collection);
    await Promise.all(lists.map((list) => this.#announce(list, collection)));
  }

  async #announce(list: ReplayRequest, collection: string | undefined): Promise<void> {
    const request = this.#peer.request(list);
    if (request.noReply || isCaughtUp(request)) return;
    const label = `active: reply to ${this.transcript.labelOf(request)}`;
    const reply = await this.#deadline.wait(label, this.transcript.until(label));
    const answers = JSON.parse(reply.body.toString()) as unknown[];
    for (const [index, [, id, revisionID]] of (JSON.parse(list.body.toString()) as unknown[][]).entries()) {
      if (!Array.isArray(answers[index])) continue;
      const revision = this.#recorded('rev', collection).find(
        ({ properties }) => properties['id'] === id && properties['rev'] === revisionID,
      );
      if (revision === undefined)
        throw new Error(`the recorded client did not want ${String(id)} ${String(revisionID)}`);
      this.#peer.request(revision);
    }
  }

  #recorded(profile: string, collection: string | undefined): ReplayRequest[] {
    const requests = this.#capture.transcript.requests('passive', profile);
    return requests.filter(({ properties }) => properties['collection'] === collection);
  }
}

const REFUSED = { properties: {}, body: Buffer.from('no handler for message'), compressed: false, error: 'BLIP/404' };
