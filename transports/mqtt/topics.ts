/**
 * The names of topics: who publishes where, and who is meant by what arrives. **Pure.**
 *
 *     <prefix>/v1/<listener>/up/<clientId>/<connection>      from a device to the listener
 *     <prefix>/v1/<listener>/down/<clientId>/<connection>    from the listener to the device
 *     <prefix>/v1/<listener>/gone/<clientId>                 the will of a device
 *     <prefix>/v1/<listener>/present                         retained: not empty while the listener is there
 *
 * The client ID stands where a pattern of a broker's access rules can hold a device to its own: `<prefix>/v1/+/+/%c/#`.
 */
import { HawserError, type RandomSource } from '../../src/index.js';

/** What a topic says. `connection` is 16 lower-case hex digits, new for each connection. */
export type TopicMeaning =
  | { readonly kind: 'up' | 'down'; readonly clientId: string; readonly connection: string }
  | { readonly kind: 'gone'; readonly clientId: string }
  | { readonly kind: 'present' };

/** The topics of one listener. */
export class ListenerTopics {
  /** Retained. A payload says that the listener is there; its will and its stop make it empty. */
  readonly present: string;
  /** Subscribed to by the listener: what all devices send. */
  readonly everyUp: string;
  /** Subscribed to by the listener: the wills of all devices. */
  readonly everyGone: string;
  readonly #root: string;

  /** @throws `ARGUMENT_INVALID` */
  constructor(where: string, prefix: string, listener: string) {
    checkPrefix(`${where}: the prefix`, prefix);
    checkLevel(`${where}: the name of the listener`, listener);
    this.#root = `${prefix}/v1/${listener}`;
    this.present = `${this.#root}/present`;
    this.everyUp = `${this.#root}/up/+/+`;
    this.everyGone = `${this.#root}/gone/+`;
  }

  up(clientId: string, connection: string): string {
    return `${this.#root}/up/${clientId}/${connection}`;
  }

  down(clientId: string, connection: string): string {
    return `${this.#root}/down/${clientId}/${connection}`;
  }

  gone(clientId: string): string {
    return `${this.#root}/gone/${clientId}`;
  }

  /** What a message on `topic` is about; `undefined` for what is none of ours. Whoever may publish may invent a topic. */
  parse(topic: string): TopicMeaning | undefined {
    if (topic === this.present) return { kind: 'present' };
    if (!topic.startsWith(`${this.#root}/`)) return undefined;
    const [kind, clientId, connection, ...rest] = topic.slice(this.#root.length + 1).split('/');
    if (rest.length > 0 || clientId === undefined || levelProblem(clientId) !== undefined) return undefined;
    if (kind === 'gone') return connection === undefined ? { kind, clientId } : undefined;
    if ((kind !== 'up' && kind !== 'down') || connection === undefined || !CONNECTION.test(connection))
      return undefined;
    return { kind, clientId, connection };
  }
}

/** The name of a new connection. */
export function newConnectionName(random: RandomSource): string {
  return Buffer.from(random.bytes(8)).toString('hex');
}

/** How much larger than its payload a packet on `topic` can be, in bytes, with all that MQTT 5 may add (3.3). */
export function publishOverhead(topic: string): number {
  return 1 + MAX_LENGTH_BYTES + 2 + Buffer.byteLength(topic, 'utf8') + PROPERTIES_BYTES;
}

/** @throws `ARGUMENT_INVALID` unless `value` can be one level of a topic: a client ID, the name of a listener */
export function checkLevel(where: string, value: unknown): void {
  const problem = typeof value === 'string' ? levelProblem(value) : 'must be a string';
  if (problem !== undefined) throw new HawserError('ARGUMENT_INVALID', `${where} ${problem}`);
}

/** @throws `ARGUMENT_INVALID` unless topics can begin with `value` */
export function checkPrefix(where: string, value: unknown): void {
  const problem = typeof value === 'string' ? prefixProblem(value) : 'must be a string';
  if (problem !== undefined) throw new HawserError('ARGUMENT_INVALID', `${where} ${problem}`);
}

function levelProblem(level: string): string | undefined {
  if (level.includes('/')) return 'must not contain "/"';
  return textProblem(level, MAX_LEVEL_BYTES);
}

function prefixProblem(prefix: string): string | undefined {
  if (prefix.startsWith('$')) return 'must not begin with "$": such topics are those of the broker';
  if (prefix.split('/').includes('') && prefix !== '') {
    return 'must not begin or end with "/", nor have two of them together';
  }
  return textProblem(prefix, MAX_PREFIX_BYTES);
}

function textProblem(text: string, maximum: number): string | undefined {
  const length = Buffer.byteLength(text, 'utf8');
  if (length === 0 || length > maximum) return `must have 1 to ${maximum} bytes of UTF-8, not ${length}`;
  if (/[+#]/.test(text)) return 'must not contain "+" or "#": they are wildcards';
  if (FORBIDDEN.test(text) || !text.isWellFormed()) return 'has characters that a topic cannot carry';
  return undefined;
}

/** MQTT 5, 1.5.4: brokers may take control characters and code points that are no characters for an attack. */
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;
const CONNECTION = /^[0-9a-f]{16}$/;
const MAX_LEVEL_BYTES = 64;
const MAX_PREFIX_BYTES = 200;
const MAX_LENGTH_BYTES = 4;
/** Their length, and a topic alias. */
const PROPERTIES_BYTES = 4;
