/** Opens a database for real: save, read, delete, with the journal and the shared memory that SQLite keeps beside it. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Database, isHawserError, silentLogger } from 'hawser';
import { ok, problem, said, type Finding } from './finding.js';

export async function checkDatabase(place: string): Promise<Finding> {
  try {
    const database = await Database.open(join(place, 'database'), { logger: silentLogger, fullSync: true });
    try {
      const collection = database.collection<{ text: string }>();
      await collection.save('doctor', { text: TEXT });
      // SQLite falls back in silence where it can map no memory.
      for (const name of ['db.sqlite3-wal', 'db.sqlite3-shm']) await access(join(database.path, name));
      const read = await collection.get('doctor');
      if (read?.body.text !== TEXT)
        return problem('database', 'A document came back as another than was saved.', BROKEN);
      await collection.delete('doctor');
      return ok(
        'database',
        `A document was saved, read and deleted with ${database.driver}, journal and shared memory included.`,
      );
    } finally {
      await database.close();
    }
  } catch (error) {
    const remedy = isHawserError(error) ? `${error.hint} (${error.code})` : BROKEN;
    return problem('database', `A database cannot be used here: ${said(error)}.`, remedy);
  }
}

const TEXT = 'überall – 漁船';
const BROKEN = 'Report this with the message and the kind of file system.';
