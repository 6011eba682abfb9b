/** What `main.ts` of every example does around its story: options, a folder, an end in order, and the exit status. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stage } from './stage.js';

/** An option of the command line: a whole number, or one of some words. */
export type Option =
  | { readonly default: number; readonly from: number; readonly to: number }
  | { readonly default: string; readonly choices: readonly string[] };

type Values<O extends Readonly<Record<string, Option>>> = {
  readonly [Name in keyof O]: O[Name] extends { readonly default: number } ? number : string;
};

export interface Example<O extends Readonly<Record<string, Option>>> {
  /** Of its folder. */
  readonly name: string;
  readonly usage: string;
  readonly options: O;
  /** Tells the story. Resolves to the result, in words. */
  readonly play: (stage: Stage, options: Values<O>) => Promise<Result>;
}

export interface Result {
  readonly passed: boolean;
  readonly text: string;
}

/** Sets the exit status: 0 it passed, 1 it did not or failed, 2 a wrong option, 130 interrupted. */
export async function perform<O extends Readonly<Record<string, Option>>>(example: Example<O>): Promise<void> {
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
  process.stdout.on('error', () => interruption.abort()); // nobody reads any more, as in `| head`
  process.exitCode = await statusOf(example, interruption.signal);
}

async function statusOf<O extends Readonly<Record<string, Option>>>(
  { name, usage, options, play }: Example<O>,
  interruption: AbortSignal,
): Promise<number> {
  let values: Values<O> | undefined;
  try {
    values = parse(options);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`);
    return 2;
  }
  if (values === undefined) {
    console.log(usage);
    return 0;
  }
  const folder = await mkdtemp(join(tmpdir(), `hawser-${name}-`));
  const stage = new Stage(folder, interruption);
  try {
    const { passed, text } = await play(stage, values);
    console.log(`${passed ? 'PASSED' : 'FAILED'}: ${text}`);
    return passed ? 0 : 1;
  } catch (error) {
    const reason: unknown = stage.signal.aborted ? stage.signal.reason : error;
    console.error(interruption.aborted ? 'Interrupted.' : `The example failed: ${messageOf(reason)}`);
    return interruption.aborted ? 130 : 1;
  } finally {
    await stage.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Undefined if only the usage is asked for. Throws an error with a message for people. */
function parse<O extends Readonly<Record<string, Option>>>(options: O): Values<O> | undefined {
  const texts = Object.fromEntries(Object.keys(options).map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ options: { ...texts, help: { type: 'boolean' } } });
  if (values.help === true) return undefined;
  const given = values as Readonly<Record<string, string | undefined>>;
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, valueOf(`--${name}`, option, given[name])]),
  ) as Values<O>;
}

function valueOf(name: string, option: Option, text: string | undefined): number | string {
  if (text === undefined) return option.default;
  if ('choices' in option) {
    if (option.choices.includes(text)) return text;
    throw new Error(`${name} must be ${option.choices.join(' or ')}, not "${text}"`);
  }
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value >= option.from && value <= option.to) return value;
  throw new Error(`${name} must be a whole number from ${option.from} to ${option.to}, not "${text}"`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
