/**
 * What lies between the nodes and the bridge in this demo: a serial line, simulated with its pace and its noise, and an MQTT broker.
 * On a vessel the one is a cable and the other a service of its own.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';
import { openSerialLine, serialLineProblem, type SerialLine } from 'hawser/testing';

export interface Media {
  /** Between the engine room and the bridge; undefined on a machine that cannot have any, as `lineProblem` says. */
  readonly line: SerialLine | undefined;
  readonly lineProblem: string | undefined;
  readonly brokerURL: string;
  close(): Promise<void>;
}

export const BAUD_RATE = 115_200;
/** One bit in a hundred thousand is flipped: a long cable beside an engine. */
const BIT_ERROR_RATE = 1e-5;

export async function openMedia(): Promise<Media> {
  const lineProblem = serialLineProblem();
  const line =
    lineProblem === undefined
      ? await openSerialLine({ baudRate: BAUD_RATE, bitErrorRate: BIT_ERROR_RATE, seed: 1 })
      : undefined;
  const broker = await Aedes.createBroker();
  // Small packets leave at once: otherwise each answer waits 40 ms for an acknowledgement of TCP.
  const server = createServer({ noDelay: true }, (socket) => broker.handle(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    line,
    lineProblem,
    brokerURL: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      await new Promise<void>((resolve) => broker.close(resolve));
      await line?.close();
    },
  };
}
