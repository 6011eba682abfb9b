/**
 * A device that saves and syncs until it is killed: `device-process.mjs NAME FOLDER normal|full listen|replicate PORT`. It is
 * told what to do by lines of input, and says what became of it in lines of output:
 *
 *   write ROUND SEED SIZE MOST   saves up to MOST documents from now on, bodies up to SIZE bytes
 *     saved ID REVISION SEQUENCE
 *     begin ID              about to be saved as a batch
 *     batch ID SEQUENCE     the documents ID-0 to ID-9 are saved, all of them or none; the sequence of the last
 *     failed CODE           a save was refused; that writer goes on
 *   finish                  finished, when as much was saved as was asked for
 *   halt                    halted, when nothing is being saved any more
 *   connect                 connected, when the replicator is idle (the replicating side alone)
 *   settle                  settled, when a one-shot replication has ended well (the replicating side alone)
 *     status ACTIVITY CODE  of the replicator, at any time
 *   contents                contents COUNT SHA-256, of every document with its revision
 *
 * It runs the package as it was built, which starts in a fraction of the time: `npm run build` comes first.
 *
 * A line is written before its writer goes on, so that every acknowledgement but the last of each writer has been told.
 */
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  BasicAuthenticator,
  Blob,
  Database,
  ListenerPasswordAuthenticator,
  Replicator,
  seededRandom,
  silentLogger,
} from '../../dist/index.js';
import { URLEndpoint, URLEndpointListener } from '../../dist/websocket.js';

const WRITERS = 4;

const [name = '', folder = '', mode = '', role = '', port = ''] = process.argv.slice(2);
const database = await Database.open(folder, { name: 'rig', fullSync: mode === 'full', logger: silentLogger });
const log = await database.createCollection('log');
let isHalted = false;
let saves = 0;
/** A process that nobody halts ends here, before its disk is full. */
let most = 0;
let writers = Promise.resolve();
let replicator;

if (role === 'listen') {
  const listener = new URLEndpointListener({
    collections: [log],
    port: Number(port),
    networkInterface: '127.0.0.1',
    authenticator: new ListenerPasswordAuthenticator((user, password) => user === 'ship' && password === 'pass'),
  });
  await listener.start();
  say(`open ${listener.port}`);
} else {
  replicator = replicate(true);
  say('open');
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, round = '', seed = '', size = '', limit = ''] = line.split(' ');
  if (command === 'write') {
    const random = seededRandom(Number(seed));
    isHalted = false;
    saves = 0;
    most = Number(limit);
    writers = Promise.all(
      Array.from({ length: WRITERS }, (_, writer) =>
        write(`${name}-${round}-${writer}`, Number(size), seededRandom(random.next() * 2 ** 32)),
      ),
    );
  } else if (command === 'finish') {
    await writers;
    say('finished');
  } else if (command === 'halt') {
    isHalted = true;
    await writers;
    say('halted');
  } else if (command === 'connect') {
    await replicator.whenIdle();
    say('connected');
  } else if (command === 'settle') {
    // Another one, that ends: the same checkpoints, and an end that tells that nothing is left.
    await replicator?.stop();
    const error = await replicate(false).stopped();
    replicator = replicate(true);
    say(error === undefined ? 'settled' : `unsettled ${error.code} ${error.message}`);
  } else if (command === 'contents') {
    // Not in memory whole: some devices have little.
    const hash = createHash('sha256');
    let count = 0;
    for await (const document of log.documents()) {
      hash.update(`${count++ > 0 ? '\n' : ''}${document.id} ${document.revisionID} ${document.toJSONText()}`);
    }
    say(`contents ${count} ${hash.digest('hex')}`);
  }
}
process.exit();

function replicate(continuous) {
  const made = new Replicator({
    collections: [log],
    target: new URLEndpoint(`wss://127.0.0.1:${port}/rig`),
    authenticator: new BasicAuthenticator('ship', 'pass'),
    acceptOnlySelfSignedServerCertificate: true,
    maxAttemptWaitTime: 0.2,
    continuous,
  });
  made.on('status', ({ activity, error }) => say(`status ${activity} ${error?.code ?? '-'}`));
  made.start();
  return made;
}

async function write(prefix, size, random) {
  for (let n = 0; !isHalted && saves < most; n++) {
    const id = `${prefix}-${n}`;
    const choice = random.next();
    try {
      if (choice < 0.4) await save(id, size, random);
      else if (choice < 0.6)
        await Promise.all(Array.from({ length: 8 }, (_, part) => save(`${id}.${part}`, size, random)));
      else if (choice < 0.75) await saveBatch(id, size, random);
      else if (choice < 0.85)
        await save(id, size, random, new Blob('text/plain', Buffer.from(`content of ${id} `.repeat(100))));
      else await save(`${prefix}-counter`, size, random);
    } catch (error) {
      say(`failed ${error.code ?? String(error)}`);
      // Nothing is to be had from this disk any more; whoever cut it kills this process.
      return;
    }
  }
}

async function save(id, size, random, blob) {
  const { revisionID, sequence } = await log.save(id, {
    ...bodyOf(size, random),
    ...(blob === undefined ? {} : { blob }),
  });
  saves++;
  say(`saved ${id} ${revisionID} ${sequence}`);
}

async function saveBatch(id, size, random) {
  say(`begin ${id}`);
  await database.inBatch(async (batch) => {
    for (let part = 0; part < 10; part++) await batch.collection('log').save(`${id}-${part}`, bodyOf(size, random));
  });
  saves += 10;
  const last = await log.get(`${id}-9`);
  say(`batch ${id} ${last?.sequence}`);
}

function bodyOf(size, random) {
  return { reading: random.next() * 1_000, note: 'x'.repeat(random.next() * size) };
}

function say(line) {
  writeSync(1, `${line}\n`);
}
