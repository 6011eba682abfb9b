/**
 * A process of its own that uses the storage room and tells on standard output what happened, a line each. Started by the
 * tests as `storage-child.ts <what> <directory>`:
 *
 * - `lock`: takes the lock, says "locked" or the code of the error, and keeps it until it is killed or its input ends;
 * - `open`: opens a storage with driver `auto`, says which one it is or the code of the error;
 * - `put-blob`: puts an endless blob, saying "writing" after each MiB.
 */
import { isHawserError } from '../../src/errors.js';
import { BlobStore, lockDirectory, openStorage } from '../../src/storage/index.js';

const [what, directory = ''] = process.argv.slice(2);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (let count = 0; ; count++) {
    yield Buffer.alloc(1024 * 1024, count);
    say('writing');
  }
}

try {
  if (what === 'lock') {
    await lockDirectory(directory);
    say('locked');
    process.stdin.resume();
  } else if (what === 'open') {
    const storage = await openStorage({ directory, fullSync: false, driver: 'auto' });
    say(storage.driver);
    await storage.close();
  } else if (what === 'put-blob') {
    const blobs = await BlobStore.open(directory);
    await blobs.put(endless());
  } else {
    say(`unknown: ${String(what)}`);
  }
} catch (error) {
  say(isHawserError(error) ? error.code : String(error));
}
