/** `npm run bench -- links`: serial lines, a bus and a broker, with the figure to reach beside each. */
import { serialLineProblem } from 'hawser/testing';
import { mosquittoProblem } from '../test/support/mosquitto.js';
import { spread } from './figures.js';
import { pushThrough, savesThroughBroker } from './mqtt-links.js';
import { pushOverLine, readingsOverBus, updateOverLine, type LinePush } from './serial-links.js';

const BAUD_RATE = 115_200;
const DOCUMENTS = 1_000;
export async function benchLinks(runs: number): Promise<void> {
  const results: Record<string, unknown> = {};
  const say = (figure: string, value: string, goal: string): void =>
    console.log(`${figure.padEnd(62)}${value.padStart(34)}   ${goal}`);

  const serialProblem = serialLineProblem();
  if (serialProblem !== undefined) console.log(`Without serial lines: ${serialProblem}.`);
  else await benchSerial(runs, results, say);

  const mqttProblem = mosquittoProblem();
  if (mqttProblem !== undefined) console.log(`Without MQTT: ${mqttProblem}.`);
  else await benchMqtt(runs, results, say);
  console.log(JSON.stringify(results));
}

type Say = (figure: string, value: string, goal: string) => void;

async function benchSerial(runs: number, results: Record<string, unknown>, say: Say): Promise<void> {
  const push = async (bitErrorRate: number): Promise<LinePush[]> => {
    const pushes: LinePush[] = [];
    for (let run = 0; run < runs; run++) pushes.push(await pushOverLine(BAUD_RATE, DOCUMENTS, bitErrorRate, run + 1));
    results[`serial ${BAUD_RATE}, bit error rate ${bitErrorRate}`] = pushes;
    return pushes;
  };
  const clean = await push(0);
  say(
    'serial 115,200 baud, clean: payload of the line',
    percent(clean.map(({ payloadShare }) => payloadShare)),
    '≥ 85 %',
  );
  say(
    `  the same: ${DOCUMENTS} documents of 200 B`,
    text(
      clean.map(({ seconds }) => seconds),
      's',
      2,
    ),
    '',
  );
  say(
    '  the same by hand over PPP, the best that TCP can do',
    `${pppSeconds(clean[0]?.documentBytes ?? 0).toFixed(2)} s`,
    '',
  );
  say(
    '  the same: bytes on the line, both ways, a document',
    text(
      clean.map(({ bytesPerDocument }) => bytesPerDocument),
      'B',
    ),
    '',
  );
  const cleanSeconds = spread(clean.map(({ seconds }) => seconds)).median;
  for (const [rate, goal] of [
    [1e-5, '≥ 80 % of clean'],
    [1e-4, '≥ 50 % of clean'],
  ] as const) {
    const noisy = await push(rate);
    const share = noisy.map(({ seconds }) => cleanSeconds / seconds);
    const again = spread(noisy.map(({ retransmissions }) => retransmissions)).median;
    say(`serial 115,200 baud, bit error rate ${rate.toExponential(0)}, ${again} repeated`, percent(share), goal);
  }
  const updates = await updateOverLine(9_600, 10);
  results['serial 9600, one field of 2 KB'] = updates;
  say('serial 9,600 baud: one changed field of a 2 KB document', text(updates, 'ms'), '≤ 400 ms');
  const readings = await readingsOverBus(BAUD_RATE, 8, 10);
  results['bus 115200, 8 nodes'] = readings;
  say('RS-485, 8 nodes: the last of all readings at the gateway', text(readings, 'ms'), '≤ 1,000 ms');
}

async function benchMqtt(runs: number, results: Record<string, unknown>, say: Say): Promise<void> {
  const through = { mqtt: [], websocket: [] } as Record<
    'mqtt' | 'websocket',
    Awaited<ReturnType<typeof pushThrough>>[]
  >;
  for (let run = 0; run < runs; run++) {
    for (const medium of ['mqtt', 'websocket'] as const) through[medium].push(await pushThrough(medium, 10_000));
  }
  results['push 10000'] = through;
  const perSecond = (medium: 'mqtt' | 'websocket') => through[medium].map((one) => one.documentsPerSecond);
  const bytes = (medium: 'mqtt' | 'websocket') => through[medium].map((one) => one.bytesPerDocument);
  say('MQTT through Mosquitto: 10,000 documents', text(perSecond('mqtt'), '/s'), '≥ 5,000/s');
  say('  the same over WebSocket', text(perSecond('websocket'), '/s'), '');
  const ratio = spread(bytes('mqtt')).median / spread(bytes('websocket')).median;
  say('  bytes a document, beside WebSocket', `${text(bytes('mqtt'), 'B')}, × ${ratio.toFixed(2)}`, '≤ × 1.5');
  const latencies = await savesThroughBroker(200);
  results['mqtt, one save'] = latencies;
  say('MQTT through Mosquitto: one save after the other', text(latencies, 'ms', 1), 'median ≤ 10 ms');
}

/** PPP adds 8 bytes to a packet, TCP and IP 40 to the 1,460 that it holds; nothing is compressed, nothing waits. */
function pppSeconds(payload: number): number {
  return (payload * (1_460 + 48)) / 1_460 / (BAUD_RATE / 10);
}

function percent(shares: readonly number[]): string {
  return text(
    shares.map((share) => share * 100),
    '%',
  );
}

/** Median, and from minimum to maximum. */
function text(values: readonly number[], unit: string, digits = 0): string {
  const { minimum, median, maximum } = spread(values);
  const one = (value: number): string => value.toFixed(digits);
  return `${one(median)} ${unit} (${one(minimum)}–${one(maximum)})`;
}
