/** Databases of a test's own, and what many of these tests ask. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { silentLogger } from '../../src/base/index.js';
import { Database, type DatabaseOptions } from '../../src/database/index.js';
import { isHawserError, type ErrorCode, type HawserError } from '../../src/errors.js';
import { cleanup } from '../support/cleanup.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A database in a folder of its own, closed and removed when the test ends. */
export async function openDatabase(context: TestContext, options: DatabaseOptions = {}): Promise<Database> {
  return openAt(context, `${await temporaryDirectory(context)}/vessel`, options);
}

/** The database in a folder that the test knows; closed when the test ends. */
export async function openAt(context: TestContext, path: string, options: DatabaseOptions = {}): Promise<Database> {
  const database = await Database.open(path, { logger: silentLogger, ...options });
  cleanup(context, () => database.close());
  return database;
}

/** Passes if `work` rejects or throws with an error of that code, and a message that names what was wrong. */
export async function refuses(
  work: Promise<unknown> | (() => unknown),
  code: ErrorCode,
  message: RegExp | string = '',
): Promise<HawserError> {
  let outcome: unknown;
  try {
    outcome = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    assert.ok(isHawserError(error), `an error of hawser is expected, not ${inspectable(error)}`);
    assert.equal(error.code, code, error.message);
    if (typeof message === 'string')
      assert.ok(error.message.includes(message), `"${error.message}" names "${message}"`);
    else assert.match(error.message, message);
    return error;
  }
  return assert.fail(`${code} is expected, not ${inspectable(outcome)}`);
}

/** Resolves when everything that was asked of the event loop before has had its turn. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function inspectable(value: unknown): string {
  return value instanceof Error ? (value.stack ?? value.message) : JSON.stringify(value);
}
