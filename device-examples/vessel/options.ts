/** The command line of the demo. */
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** The user's own NMEA 0183 log. */
  readonly log: string | undefined;
  /** At most so many readings of navigation and weather together, and of the engine room. */
  readonly readings: number;
  /** How long the replay lasts. */
  readonly seconds: number;
  /** Where the databases stay after the demo. */
  readonly data: string | undefined;
  /** Go on after the comparison. */
  readonly keep: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run demo -- [options]

Three sensor nodes, a bridge and the shore, each a process with a database of its own. The nodes replay a log of NMEA 0183
and sync every reading to the bridge: over the network, through an MQTT broker and over a serial line, with TLS on each. The
bridge forwards to the shore. Half-way the bridge is killed and started again. At the end all documents of all processes are
compared; the exit status is 0 only if they are equal.

  --log FILE      replay your own NMEA 0183 log (one sentence a line) instead of the yacht log
  --readings N    at most N readings of navigation and weather together (default 20000), and of the engine room
  --seconds N     how long the replay lasts (default 20)
  --data DIR      keep the databases in DIR; a second run goes on with them (default: a temporary folder, removed)
  --keep          go on after the comparison until Ctrl-C; keeps the databases
  --help          print this`;

/** Throws an error with a message for people: an unknown option, a value that is none. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      log: { type: 'string' },
      readings: { type: 'string', default: '20000' },
      seconds: { type: 'string', default: '20' },
      data: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    log: values.log === undefined ? undefined : path('--log', values.log),
    readings: whole('--readings', values.readings, 1_000_000),
    seconds: whole('--seconds', values.seconds, 3_600),
    data: values.data === undefined ? undefined : path('--data', values.data),
    keep: values.keep,
    help: values.help,
  };
}

function path(option: string, text: string): string {
  if (text === '') throw new Error(`${option} needs a path`);
  return text;
}

function whole(option: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw new Error(`${option} must be a whole number from 1 to ${most}, not "${text}"`);
  return value;
}
