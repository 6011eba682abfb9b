/**
 * NMEA 0183 sentences become readings: one Signal K path with one value in SI units each. It adds to the parser what the
 * parser leaves out (XDR transducers) and drops what is no reading (empty fields, times that it makes up).
 *
 * A reading has no time of its own: most sentences carry none, some a time without a date, and the clocks of real
 * instruments are years wrong. What orders readings is the line they came from.
 */
import { Parser, type ParserOptions } from '@signalk/nmea0183-signalk';
import { parseTransducers } from './transducers.js';

/** What a sensor node is for. */
export type Role = 'navigation' | 'weather' | 'engine';

export const ROLES: readonly Role[] = ['navigation', 'weather', 'engine'];

/** Throws if it is none. */
export function parseRole(text: string | undefined): Role {
  const role = ROLES.find((known) => known === text);
  if (role === undefined) throw new Error(`a node must be one of ${ROLES.join(', ')}, not ${text}`);
  return role;
}

export interface Reading {
  /** Of Signal K, for example `navigation.speedOverGround`. */
  readonly path: string;
  /** SI: m/s, rad, m, K, Pa, Hz; positions in degrees. */
  readonly value: unknown;
  /** Which instrument: the node and the talker of the sentence, for example `navigation.GP`. */
  readonly $source: string;
  /** The kind of sentence, for example `VTG`. */
  readonly sentence: string;
  /** Of the log, from 1. */
  readonly line: number;
  /** The vessel it is about, where that is not this one (AIS). */
  readonly context?: string;
}

/** Which node a kind of sentence belongs to: those listed to weather and engine, all others to navigation. */
export function roleOf(sentence: string): Role {
  if (WIND_AND_WATER.has(sentence)) return 'weather';
  return ENGINE_ROOM.has(sentence) ? 'engine' : 'navigation';
}

const WIND_AND_WATER = new Set(['MWV', 'MWD', 'VWR', 'VWT', 'MDA', 'MTA', 'MTW', 'DBT', 'DBS', 'DBK', 'DPT', 'VDR']);
const ENGINE_ROOM = new Set(['RPM', 'XDR']);

/** Reads the sentences of one node, or of all three, line after line. */
export class NmeaReader {
  readonly #role: Role | undefined;
  readonly #parser = new Parser(WITH_TRANSDUCERS);
  #damaged = 0;

  /** @param role whose sentences to read; those of every node if it is left out */
  constructor(role?: Role) {
    this.#role = role;
  }

  /** Sentences of the node that could not be read: a wrong checksum, a field that makes no sense. */
  get damaged(): number {
    return this.#damaged;
  }

  /** The readings in a line, none for other nodes' sentences, comments and damage. A logger may write its time before the `$`. */
  read(text: string, line: number): Reading[] {
    const [sentence, talker, kind] = SENTENCE.exec(text.trimEnd()) ?? [];
    if (sentence === undefined || talker === undefined || kind === undefined) return [];
    const role = roleOf(kind);
    if (this.#role !== undefined && this.#role !== role) return [];
    const delta = this.#parse(sentence);
    const found = delta?.updates.flatMap(({ values }) => values).filter(({ value }) => isValue(value)) ?? [];
    return found.map(({ path, value }) => ({
      path: path.replace(ENGINE_NUMBER, '$1$2'),
      value,
      $source: `${role}.${talker}`,
      sentence: kind,
      line,
      ...(delta?.context === undefined ? {} : { context: delta.context }),
    }));
  }

  #parse(sentence: string): ReturnType<Parser['parse']> {
    try {
      return this.#parser.parse(sentence);
    } catch {
      this.#damaged++;
      return null;
    }
  }
}

/** The parser drops XDR; this is its way to learn a sentence. */
const WITH_TRANSDUCERS: ParserOptions = {
  onPropertyValues: (name, use) => {
    if (name === 'nmea0183sentenceParser') use([{ value: { sentence: 'XDR', parser: parseTransducers } }]);
  },
};

/** `$` or `!`, talker, kind, and the rest: proprietary sentences (`$PCDIN`) have the talker P. */
const SENTENCE = /[$!](P(?=[A-Z]{3,})|[A-Z]{2})([A-Z]+),.*$/;

/** The parser says `engine_0`, which the schema of Signal K does not allow. */
const ENGINE_NUMBER = /^(propulsion\.[a-z]+)_(\d+)/;

function isValue(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return value !== null && value !== undefined;
}
