/** `links`: serial lines, a bus and a broker. */
import { serialLineProblem } from 'hawser/testing';
import { mosquittoProblem } from '../test/support/mosquitto.js';
import { interleaved, median, repeated } from './figures.js';
import { pushThrough, savesThroughBroker, type Push } from './mqtt-links.js';
import { atLeast, atMost, type Report, type Row } from './report.js';
import { pushOverLine, readingsOverBus, updateOverLine, type LinePush } from './serial-links.js';
import type { Settings } from './settings.js';

const BAUD_RATE = 115_200;
const LINE_DOCUMENTS = 1_000;
const BROKER_DOCUMENTS = 10_000;

export async function benchLinks(report: Report, { runs, plain }: Settings): Promise<void> {
  const serialProblem = serialLineProblem();
  if (serialProblem !== undefined) report.say(`Without serial lines: ${serialProblem}.`);
  else await benchSerial(report, runs, plain);

  const mqttProblem = mosquittoProblem();
  if (mqttProblem !== undefined) report.say(`Without MQTT: ${mqttProblem}.`);
  else await benchMqtt(report, runs, plain);
}

const PAYLOAD = 'payload, % of the line';
const OF_CLEAN = '% of the clean rate';

async function benchSerial(report: Report, runs: number, plain: boolean): Promise<void> {
  const push = (bitErrorRate: number): Promise<LinePush[]> =>
    repeated(runs, (run) => pushOverLine({ baudRate: BAUD_RATE, bitErrorRate, seed: run + 1 }, LINE_DOCUMENTS, plain));
  const clean = await push(0);
  const cleanSeconds = median(clean.map(({ seconds }) => seconds));
  const rowOf = (title: string, pushes: readonly LinePush[]) => ({
    title,
    runs: pushes.map(({ seconds, payloadShare, bytesPerDocument, retransmissions }) => ({
      s: seconds,
      [PAYLOAD]: payloadShare * 100,
      [OF_CLEAN]: (cleanSeconds / seconds) * 100,
      'bytes/doc, both ways': bytesPerDocument,
      'packets repeated': retransmissions,
    })),
  });
  const byHand = pppSeconds(clean[0]?.documentBytes ?? 0);
  const rows: Row[] = [
    { ...rowOf('clean', clean), toReach: { [PAYLOAD]: atLeast(85) } },
    { title: 'clean, by hand over TCP and PPP', runs: [{ s: byHand }] },
  ];
  for (const [rate, share] of [
    [1e-5, 80],
    [1e-4, 50],
  ] as const) {
    const title = `bit error rate ${rate.toExponential(0)}`;
    rows.push({ ...rowOf(title, await push(rate)), toReach: { [OF_CLEAN]: atLeast(share) } });
  }
  report.table(
    `serial, ${BAUD_RATE.toLocaleString('en')} baud: push of ${LINE_DOCUMENTS.toLocaleString('en')} × 200 B`,
    rows,
  );

  const updates = await updateOverLine(9_600, 10, plain);
  const readings = await readingsOverBus(BAUD_RATE, 8, 10, plain);
  report.table('until the other peer sees it, 10 times', [
    milliseconds('one field of 2 KB, 9,600 baud', updates, 400),
    milliseconds('8 nodes at once, RS-485, the last', readings, 1_000),
  ]);
}

async function benchMqtt(report: Report, runs: number, plain: boolean): Promise<void> {
  const [mqtt = [], webSocket = []] = await interleaved(runs, [
    () => pushThrough('mqtt', BROKER_DOCUMENTS, plain),
    () => pushThrough('websocket', BROKER_DOCUMENTS, plain),
  ]);
  const [rate, timesBytes] = ['documents/s', '× bytes of WebSocket'];
  const figures = ({ documentsPerSecond, bytesPerDocument }: Push) => ({
    [rate]: documentsPerSecond,
    'bytes/doc': bytesPerDocument,
  });
  const besideWebSocket = (push: Push, run: number) => ({
    ...figures(push),
    [timesBytes]: push.bytesPerDocument / (webSocket[run]?.bytesPerDocument ?? Number.NaN),
  });
  report.table(`push of ${BROKER_DOCUMENTS.toLocaleString('en')} × 200 B`, [
    {
      title: 'MQTT through Mosquitto',
      runs: mqtt.map(besideWebSocket),
      toReach: { [rate]: atLeast(5_000), [timesBytes]: atMost(1.5) },
    },
    { title: 'WebSocket', runs: webSocket.map(figures) },
  ]);
  const saves = await savesThroughBroker(200, plain);
  report.table('until the other peer sees it, 200 times', [milliseconds('one save, through Mosquitto', saves, 10)]);
}

function milliseconds(title: string, values: readonly number[], goal: number): Row {
  return { title, runs: values.map((ms) => ({ ms })), toReach: { ms: atMost(goal) } };
}

/** PPP adds 8 bytes to a packet, TCP and IP 40 to the 1,460 that it holds; nothing is compressed, nothing waits. */
function pppSeconds(payload: number): number {
  return (payload * (1_460 + 48)) / 1_460 / (BAUD_RATE / 10);
}
