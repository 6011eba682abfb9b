/** `idle`: what a continuous link with nothing to do costs, with the usual heartbeat and with one that beats while we look. */
import { setTimeout as delay } from 'node:timers/promises';
import { repeated } from './figures.js';
import { openPair } from './pair.js';
import { cpuSecondsOf } from './peer.js';
import { atMost, type Figures, type Report } from './report.js';
import type { Settings } from './settings.js';
import { onStage } from './stage.js';

/** Of the client, in seconds; a listener's is a tenth longer by default, and here. */
const HEARTBEATS = [300, 10];

export async function benchIdle(report: Report, { runs, plain, seconds }: Settings): Promise<void> {
  // All at the same time: they do nothing.
  const measured = await repeated(runs, () =>
    Promise.all(HEARTBEATS.map((heartbeat) => watch(heartbeat, seconds, plain))),
  );
  const rows = HEARTBEATS.map((heartbeat, index) => ({
    title: `heartbeat ${heartbeat} s`,
    runs: measured.map((run) => run[index] as Figures),
    toReach: {
      // The first may come as soon as we look.
      'keep-alives': atMost(Math.floor(seconds / heartbeat) + 1),
      'CPU %, active': atMost(0.2),
      'CPU %, listener': atMost(0.2),
    },
  }));
  report.table(`idle for ${seconds} s, wss`, rows);
  report.say('A keep-alive is a message and its answer: messages are counted in the direction that has more of them.');
}

function watch(heartbeat: number, seconds: number, plain: boolean): Promise<Figures> {
  return onStage(async (stage) => {
    const pair = await openPair(stage, { plain, listener: { heartbeat: heartbeat * 1.1 } });
    const { active, passive, relay, target } = pair;
    await active.do('connect', { target, options: { heartbeat } });
    await relay.silence(UNTIL_AT_REST_SECONDS);
    const before = { ...relay.pieces, bytes: relay.bytes };
    const { cpuSeconds } = await cpuSecondsOf([active, passive], () => delay(seconds * 1_000));
    const fromClient = relay.pieces.fromClients - before.fromClients;
    const fromListener = relay.pieces.fromListener - before.fromListener;
    const [activeCpuSeconds = 0, passiveCpuSeconds = 0] = cpuSeconds;
    return {
      'keep-alives': Math.max(fromClient, fromListener),
      bytes: relay.bytes - before.bytes,
      'CPU %, active': (activeCpuSeconds / seconds) * 100,
      'CPU %, listener': (passiveCpuSeconds / seconds) * 100,
    };
  });
}

/** A checkpoint is saved five seconds after what it is for. */
const UNTIL_AT_REST_SECONDS = 6;
