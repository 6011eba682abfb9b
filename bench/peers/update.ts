/** One field of a 2 KB document changes, once a second, on a link that stays: the bytes of both directions, and how soon. */
import { setTimeout as sleep } from 'node:timers/promises';
import { spread } from '../figures.js';
import { Stage } from './stage.js';
import type { Subject } from './subjects.js';

const UPDATES = 10;
const PAUSE_MS = 1_000;
/** Longer than any of them defers its checkpoint, so that all that follows the changes is counted. */
const LAST_PAUSE_MS = 6_000;

export interface UpdateRun {
  readonly bytesPerUpdate: number;
  /** From the call that saves to the change at the server. */
  readonly medianMilliseconds: number;
  readonly slowestMilliseconds: number;
}

export function update(subject: Subject): Promise<UpdateRun> {
  return Stage.with(subject, async (stage) => {
    const [client, server] = [await stage.open('client'), await stage.open('server')];
    const url = await stage.listen(server);
    await server.do('watch');
    const saveAndWait = async (value: number, connect = async (): Promise<unknown> => undefined): Promise<number> => {
      const { at: called } = await client.do<{ at: number }>('save', { value });
      await connect();
      const { at } = await server.do<{ at: number }>('arrival', { after: called });
      return at - called;
    };
    await saveAndWait(0, () => client.do('connect', { url }));
    await sleep(LAST_PAUSE_MS);
    const before = stage.bytes;
    const latencies = [];
    for (let value = 1; value <= UPDATES; value++) {
      latencies.push(await saveAndWait(value));
      await sleep(PAUSE_MS);
    }
    await sleep(LAST_PAUSE_MS);
    const { median, maximum } = spread(latencies);
    return {
      bytesPerUpdate: (stage.bytes - before) / UPDATES,
      medianMilliseconds: median,
      slowestMilliseconds: maximum,
    };
  });
}
