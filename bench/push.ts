/**
 * `push`, `pull` and `pushpull`: one-shot replication between two processes, beside the lower bound, which is measured in the
 * same rounds: how fast the machine is just now cancels out in what is said of the two together.
 */
import { interleaved } from './figures.js';
import { pushByHand } from './lower-bound.js';
import { replicateOnce, replicationFigures, type Direction, type Replication } from './replication.js';
import { atLeast, atMost, type Figures, type Goal, type Report } from './report.js';
import type { Benchmark, Settings } from './settings.js';
import { onStage } from './stage.js';

export function benchReplication(direction: Direction): Benchmark {
  return async (report, settings) => {
    const variants = await variantsOf(report, settings);
    const { documents = [10_000, 50_000], runs } = settings;
    const rows = [];
    for (const count of documents) {
      const [bounds = [], ...measured] = await interleaved(runs, [
        () => pushByHand(count),
        ...variants.map(
          ({ plain }) =>
            () =>
              replicateOnce(direction, count, plain),
        ),
      ]);
      const number = count.toLocaleString('en');
      for (const [index, { title, maxBytes }] of variants.entries()) {
        const replications = measured[index] ?? [];
        rows.push({
          title: `${direction} ${number}${title}`,
          runs: replications.map((replication, run) => besideBound(replication, bounds[run] as Replication)),
          toReach: goals(maxBytes),
        });
      }
      rows.push({ title: `lower bound ${number}`, runs: bounds.map(replicationFigures) });
    }
    report.table(`${direction}, one-shot, wss`, rows);
  };
}

interface Variant {
  readonly title: string;
  readonly plain: boolean;
  /** To reach, for a document on the wire. */
  readonly maxBytes: number;
}

const BETWEEN_HAWSER_PEERS: Variant = { title: '', plain: false, maxBytes: 55 };
const TO_STRANGERS: Variant = { title: ', to strangers', plain: true, maxBytes: 110 };

async function variantsOf(report: Report, { plain }: Settings): Promise<readonly Variant[]> {
  if (plain) return [TO_STRANGERS];
  if (await acceptsPlain()) return [BETWEEN_HAWSER_PEERS, TO_STRANGERS];
  report.say('This hawser has no extension of its own that could be switched off: there are no rows "to strangers".');
  return [BETWEEN_HAWSER_PEERS];
}

/** Whether this hawser knows the option that makes it speak as to a stranger. */
export function acceptsPlain(): Promise<boolean> {
  return onStage(async (stage) => {
    const peer = stage.peer();
    await peer.do('open', { path: stage.folder('asked') });
    return (await peer.do<{ accepts: boolean }>('acceptsPlain')).accepts;
  });
}

const TIMES_BOUND_RATE = '× bound, docs/s';
const TIMES_BOUND_CPU = '× bound, CPU';

function besideBound(replication: Replication, bound: Replication): Figures {
  return {
    ...replicationFigures(replication),
    [TIMES_BOUND_RATE]: replication.documentsPerSecond / bound.documentsPerSecond,
    [TIMES_BOUND_CPU]: replication.cpuMicrosecondsPerDocument / bound.cpuMicrosecondsPerDocument,
  };
}

function goals(maxBytes: number): Readonly<Record<string, Goal>> {
  return {
    'documents/s': atLeast(25_000),
    'CPU µs/doc, both': atMost(60),
    'bytes/doc': atMost(maxBytes),
    [TIMES_BOUND_RATE]: atLeast(0.35),
    [TIMES_BOUND_CPU]: atMost(2.6),
  };
}
