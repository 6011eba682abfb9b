/**
 * A process that saves documents as fast as it can, until it is killed. It waits for one line of input, `<folder> <round>
 * <seed>`, opens the database there and says on standard output, a line each, what the database has acknowledged:
 *
 *   open
 *   saved <id> <revision>          a document of its own
 *   blob <id> <revision> <text>    the same, with the text as content of a blob
 *   deleted <id>
 *   counter <id> <revision>        one document saved again and again
 *   batch <id>                     the documents `<id>-0` to `<id>-9`, saved together; their number follows in the ID
 *
 * A line is written before its writer goes on, so that every acknowledgement but the last of each writer has been told.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { seededRandom, silentLogger, type RandomSource } from '../../src/base/index.js';
import { Blob, Database } from '../../src/database/index.js';

const WRITERS = 6;

async function write(database: Database, round: string, writer: number, random: RandomSource): Promise<never> {
  const collection = database.collection('log');
  let batches = 0;
  for (let n = 0; ; n++) {
    const id = `${round}-${writer}-${n}`;
    const body = { n, writer, reading: random.next() * 1_000, note: 'x'.repeat(random.next() * 300) };
    const choice = random.next();
    if (choice < 0.7) {
      const { revisionID } = await collection.save(id, body);
      say(`saved ${id} ${revisionID}`);
    } else if (choice < 0.75) {
      const text = `content-of-${id}`;
      const blob = new Blob('text/plain', Buffer.from(text));
      const { revisionID } = await collection.save(id, { ...body, blob });
      say(`blob ${id} ${revisionID} ${text}`);
    } else if (choice < 0.8) {
      await collection.save(id, body);
      await collection.delete(id);
      say(`deleted ${id}`);
    } else if (choice < 0.95) {
      const { revisionID } = await collection.save(`counter-${writer}`, body);
      say(`counter counter-${writer} ${revisionID}`);
    } else {
      const name = `${round}-${writer}-batch-${batches++}`;
      await database.inBatch(async (batch) => {
        for (let part = 0; part < 10; part++) await batch.collection('log').save(`${name}-${part}`, body);
      });
      say(`batch ${name}`);
    }
  }
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const [folder = '', round = '', seed = ''] = line.split(' ');
  const random = seededRandom(Number(seed));
  const database = await Database.open(folder, { logger: silentLogger });
  say('open');
  const writers = Array.from({ length: WRITERS }, (_, writer) =>
    write(database, round, writer, seededRandom(random.next() * 2 ** 32)),
  );
  await Promise.all(writers);
}
