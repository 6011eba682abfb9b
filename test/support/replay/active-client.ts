/**
 * The active side of a recording, for a passive peer of ours: walks through the recording, sends what the recorded client
 * sent, and waits for what it received before it goes on.
 *
 * Beyond the recording it does one thing: it saves checkpoints under the revisions that this peer gave them.
 */
import type { MessageEndpointConnection } from '../../../src/index.js';
import type { Capture } from './capture.js';
import type { Deadline } from './deadline.js';
import { ScriptedPeer } from './scripted-peer.js';
import type { ReplayMessage, ReplayReply, ReplayRequest, Transcript } from './transcript.js';

export class ActiveClient {
  readonly #capture: Capture;
  readonly #deadline: Deadline;
  readonly #peer: ScriptedPeer;
  readonly #checkpoints = new Map<string, string>();

  constructor(connection: MessageEndpointConnection, capture: Capture, deadline: Deadline) {
    this.#capture = capture;
    this.#deadline = deadline;
    this.#peer = new ScriptedPeer(connection, 'active', deadline);
  }

  get transcript(): Transcript {
    return this.#peer.transcript;
  }

  /** The whole conversation; resolves when the client has left. */
  async run(): Promise<void> {
    await this.#deadline.wait('the connection to open', this.#peer.open());
    for (const message of this.#capture.transcript.messages) {
      if (message.from === 'passive') await this.#expect(message);
      else if (message.kind === 'request') this.#ask(message);
      else await this.#answer(message);
    }
    await this.#deadline.wait('the connection to close', this.#peer.leave());
  }

  async #expect(message: ReplayMessage): Promise<void> {
    const label = this.#capture.transcript.labelOf(message);
    const came = await this.#deadline.wait(label, this.transcript.until(label));
    if (came.kind === 'reply') this.#learn(came);
  }

  #ask(message: ReplayRequest): void {
    const { Profile: profile, client = '' } = message.properties;
    const rev = this.#checkpoints.get(client) ?? '';
    this.#peer.request(
      profile === 'setCheckpoint' ? { ...message, properties: { ...message.properties, rev } } : message,
    );
  }

  async #answer(message: ReplayReply): Promise<void> {
    const label = this.#capture.transcript.labelOf(message.to);
    const request = await this.#deadline.wait(label, this.transcript.until(label));
    if (request.kind === 'request') this.#peer.respond(request, message);
  }

  #learn({ to, properties, body, error }: ReplayReply): void {
    if (error !== undefined) return;
    const { Profile: profile, client = '' } = to.properties;
    if (profile === 'getCheckpoint' || profile === 'setCheckpoint')
      this.#checkpoints.set(client, properties['rev'] ?? '');
    if (profile !== 'getCollections') return;
    const { checkpoint_ids: ids } = JSON.parse(to.body.toString()) as { checkpoint_ids: string[] };
    const answers = JSON.parse(body.toString()) as ({ rev?: string } | null)[];
    answers.forEach((answer, index) => this.#checkpoints.set(ids[index] ?? '', answer?.rev ?? ''));
  }
}
