/** What the programs of the examples have in common: settings from the environment, an end in order, and what they say. */
import { setTimeout as delay } from 'node:timers/promises';
import { HawserError, type Collection, type Replicator } from 'hawser';

const stop = new AbortController();

/** Fires when this program is to end. */
export const stopping: AbortSignal = stop.signal;

/** Resolves then, also for who asks when it has fired. */
export const stopped: Promise<void> = new Promise((resolve) => {
  stopping.addEventListener('abort', () => resolve());
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

// What hawser refuses is said in a line, with what to do, and ends the program; a setting that it cannot take, with status 2.
process.once('uncaughtException', (error) => {
  const isRefusal = error instanceof HawserError;
  console.error(isRefusal ? `${error.code}: ${error.message}. ${error.hint}` : error);
  process.exit(isRefusal && error.code === 'ARGUMENT_INVALID' ? 2 : 1);
});

/** A setting from the environment, which unlike the command line is not for everybody to see. Without it the program ends. */
export function setting(name: string, fallback?: string): string {
  const { [name]: value = '' } = process.env;
  if (value !== '') return value;
  return fallback ?? refuse(`${name} is not set`);
}

/** The same for a number. */
export function numberSetting(name: string, { from = -Infinity, to = Infinity, fallback = NaN }): number {
  const text = setting(name, Number.isNaN(fallback) ? undefined : String(fallback));
  const value = Number(text);
  if (value >= from && value <= to) return value;
  return refuse(`${name} must be a number from ${from} to ${to}, not "${text}"`);
}

/** The same for one of some words. */
export function choiceSetting<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
  const text = setting(name, choices[0]);
  const choice = choices.find((word) => word === text);
  return choice ?? refuse(`${name} must be one of ${choices.join(', ')}, not "${text}"`);
}

/** The same for passwords by name: `{"node-1":"…"}`. */
export function passwordsSetting(name: string): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(setting(name));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, string>;
  } catch {
    // As what is no object.
  }
  return refuse(`${name} must be an object of JSON: names and passwords`);
}

/** Status 2: a service manager need not try again, as `RestartPreventExitStatus=2` says. */
function refuse(problem: string): never {
  console.error(`${problem}. The first lines of ${process.argv[1]} tell the settings.`);
  process.exit(2);
}

/** Says when the link comes and goes. Ends the program with status 1 when the replicator gives up. */
export function watchLink(replicator: Replicator, peer: string): void {
  let isConnected = false;
  replicator.on('status', ({ activity, error }) => {
    if (activity === 'offline') console.log(`offline (${error?.code}), and goes on saving`);
    else if (!isConnected && (activity === 'busy' || activity === 'idle')) console.log(`connected to the ${peer}`);
    if (activity !== 'connecting') isConnected = activity !== 'offline';
  });
  void replicator.stopped().then((error) => {
    if (error === undefined) return;
    console.error(`${error.code}: ${error.message}. ${error.hint}`);
    process.exit(1);
  });
}

/** The highest number at the end of an ID: numbers go on after it. Not how many there are: a number of what was purged is not given again. */
export async function lastNumber(collection: Pick<Collection, 'documents'>): Promise<number> {
  let last = 0;
  for await (const { id } of collection.documents()) last = Math.max(last, Number(/-(\d+)$/.exec(id)?.[1] ?? 0));
  return last;
}

/** Says how many documents there are, once a second and only when there are more: `stored 40`. */
export function watchCount(word: string, collection: Pick<Collection, 'count'>): void {
  let told = 0;
  const timer = setInterval(() => {
    const tell = async (): Promise<void> => {
      const count = await collection.count();
      if (count > told) console.log(`${word} ${(told = count)}`);
    };
    tell().catch(() => undefined); // the database is closed, or is being closed
  }, 1_000);
  void stopped.then(() => clearInterval(timer));
}

/** Before the end: waits until the peer has everything, but not for ever. What it has not got is sent after the next start. */
export async function flush(replicator: Replicator, collection: Collection, patienceMs = 10_000): Promise<void> {
  const giveUp = AbortSignal.timeout(patienceMs);
  while (!giveUp.aborted) {
    const pending = await replicator.pendingDocumentIDs(collection);
    if (pending.size === 0) return;
    await delay(50);
  }
}
