/**
 * How much is done of what finds more the longer it goes on: a fifth of it in `npm test`, so that it ends within minutes, and all
 * of it with `npm run test:long`, which sets `HAWSER_TEST_EFFORT=full` and runs every file that imports this one.
 */
export function effort(whole: number): number {
  return process.env['HAWSER_TEST_EFFORT'] === 'full' ? whole : Math.ceil(whole / 5);
}
