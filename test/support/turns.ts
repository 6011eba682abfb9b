/** For what happens behind real sockets while the clock of the test stands still, and is told by no event. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Lets the event loop turn until `holds` does. What never holds ends with the time limit of the test. */
export async function turnsUntil(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}

/** Lets so many turns pass: where nothing may happen, too few would only make a test see less. */
export async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}
