/** Values of result rows as the types they must have. A table of ours that yields another type is damaged. */
import { HawserError } from '../../errors.js';
import type { Row } from './driver.js';

export function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : damaged(column);
}

export function textOrNullOf(row: Row, column: string): string | null {
  return row[column] === null ? null : textOf(row, column);
}

/** An integer within 2^53. */
export function numberOf(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : damaged(column);
}

export function numberOrNullOf(row: Row, column: string): number | null {
  return row[column] === null ? null : numberOf(row, column);
}

/** The first row of a statement that always yields one. */
export function firstOf(rows: readonly Row[]): Row {
  return rows[0] ?? damaged('first row');
}

function damaged(what: string): never {
  throw new HawserError('DATABASE_CORRUPT', `the database holds a value of the wrong type (${what})`);
}
