/** What may be written after `hawser`. */
import { parseArgs } from 'node:util';
import type { DoctorOptions } from './doctor/finding.js';

export type Command =
  { readonly kind: 'help' | 'version' } | { readonly kind: 'doctor'; readonly options: DoctorOptions };

/** The command line cannot be understood; the message says why. */
export class UsageError extends Error {}

/** Throws a {@link UsageError}. */
export function readCommandLine(parameters: readonly string[]): Command {
  const { values, positionals } = parsed(parameters);
  if (values.help === true || positionals[0] === 'help') return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const [command, folder = '.', ...rest] = positionals;
  if (command === undefined) throw new UsageError('hawser: which command? There is one: doctor.');
  if (command !== 'doctor') throw new UsageError(`hawser: there is no command "${command}"; there is one: doctor.`);
  if (rest.length > 0) throw new UsageError(`hawser doctor: one folder, please, not also "${rest.join('", "')}".`);
  if (folder === '') throw new UsageError('hawser doctor: the name of the folder is empty.');
  const { serial, baud, broker } = values;
  if (serial === '') throw new UsageError('hawser doctor: --serial needs the path of a device, as /dev/ttyUSB0.');
  if (baud !== undefined && serial === undefined) throw new UsageError('hawser doctor: --baud needs --serial.');
  return {
    kind: 'doctor',
    options: { folder, serial, baudRate: baudRateOf(baud), broker: brokerOf(broker), json: values.json === true },
  };
}

function parsed(parameters: readonly string[]) {
  try {
    return parseArgs({
      args: [...parameters],
      allowPositionals: true,
      options: {
        serial: { type: 'string' },
        baud: { type: 'string' },
        broker: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    throw new UsageError(`hawser: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function baudRateOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_BAUD_RATE;
  const rate = Number(text);
  if (Number.isInteger(rate) && rate >= 50 && rate <= 12_000_000) return rate;
  throw new UsageError(`hawser doctor: --baud must be a number from 50 to 12000000, not "${text}".`);
}

/** A password in it must not come out in a message. */
function brokerOf(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^(mqtts?|wss?):$/.test(url.protocol) && url.hostname !== '') return url;
  throw new UsageError('hawser doctor: --broker must be a URL, as mqtt://host, mqtts://host or wss://host/path.');
}

const DEFAULT_BAUD_RATE = 115_200;

export const HELP = `Usage: hawser doctor [FOLDER] [options]

Says what is missing on this machine for hawser, and how to mend it. FOLDER is
where databases will be, by default the working directory. Changes nothing: a
database that it makes to try is removed.

  --serial PATH   also opens this serial port and closes it, as /dev/ttyUSB0
  --baud RATE     at this rate, by default ${DEFAULT_BAUD_RATE}
  --broker URL    also connects to this MQTT broker: mqtt://host, mqtts://host,
                  ws://host/path or wss://host/path. Without a password in the
                  URL, HAWSER_BROKER_USERNAME and HAWSER_BROKER_PASSWORD count.
  --json          for machines
  -h, --help      this text
  -v, --version   the version of hawser

Exit status: 0 no problem, 1 a problem was found, 2 the command line is wrong.
`;
