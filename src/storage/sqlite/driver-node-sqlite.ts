/**
 * The driver on Node's own `node:sqlite` (Node 22 and later): no compiler on the device, but every call runs on the event
 * loop. Its shape is described here as far as it is used, because the type declarations of Node 20 do not know it.
 */
import {
  type DriverConnection,
  type DriverStatement,
  type Row,
  type SqliteDriver,
  SqliteFailure,
  type SqlValue,
} from './driver.js';

/** Undefined where this Node has no `node:sqlite`. */
export function loadNodeSqliteDriver(): SqliteDriver | undefined {
  const builtin: unknown = process.getBuiltinModule('node:sqlite');
  if (!isNodeSqlite(builtin)) return undefined;
  return {
    name: 'node:sqlite',
    parallel: false,
    open: (file) => attempt(() => new NodeSqliteConnection(new builtin.DatabaseSync(file))),
  };
}

interface NodeSqlite {
  readonly DatabaseSync: new (file: string) => DatabaseSync;
}

interface DatabaseSync {
  exec(sql: string): void;
  prepare(sql: string): StatementSync;
  close(): void;
}

interface StatementSync {
  all(...parameters: readonly SqlValue[]): readonly Row[];
  run(...parameters: readonly SqlValue[]): unknown;
}

function isNodeSqlite(module: unknown): module is NodeSqlite {
  return (
    typeof module === 'object' &&
    module !== null &&
    'DatabaseSync' in module &&
    typeof module.DatabaseSync === 'function'
  );
}

class NodeSqliteConnection implements DriverConnection {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  exec(sql: string): Promise<void> {
    return attempt(() => this.#database.exec(sql));
  }

  prepare(sql: string): Promise<DriverStatement> {
    return attempt(() => new NodeSqliteStatement(this.#database.prepare(sql)));
  }

  close(): Promise<void> {
    return attempt(() => this.#database.close());
  }
}

class NodeSqliteStatement implements DriverStatement {
  #statement: StatementSync | undefined;

  constructor(statement: StatementSync) {
    this.#statement = statement;
  }

  all(parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    return attempt(() => this.#usable().all(...parameters));
  }

  run(parameters: readonly SqlValue[]): Promise<void> {
    return attempt(() => {
      this.#usable().run(...parameters);
    });
  }

  /** The library finalizes a statement when it is collected as garbage, or when its database is closed. */
  finalize(): Promise<void> {
    this.#statement = undefined;
    return Promise.resolve();
  }

  #usable(): StatementSync {
    if (this.#statement === undefined) throw new SqliteFailure(SQLITE_MISUSE, 'the statement was finalized', undefined);
    return this.#statement;
  }
}

/** `async`, so that what the library throws becomes a rejection. */
async function attempt<T>(call: () => T): Promise<T> {
  try {
    return call();
  } catch (error) {
    if (error instanceof SqliteFailure) throw error;
    const { errcode, message } = error as { errcode?: unknown; message?: unknown };
    throw new SqliteFailure(typeof errcode === 'number' ? errcode : 1, String(message), error);
  }
}

const SQLITE_MISUSE = 21;
