/** Keeps secrets out of what is printed. */
import { inspect } from 'node:util';

/**
 * Lets an object appear as `shown` in `inspect` and JSON. Who asks it for a property still gets the secret; a copy of it
 * (`{ ...object }`) hides nothing.
 */
export function shownAs<T extends object>(object: T, shown: object): T {
  const value = (): object => shown;
  return Object.defineProperties(object, { toJSON: { value }, [inspect.custom]: { value } });
}

/** HTTP headers, of which only the names appear. */
export function hiddenHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = Object.fromEntries(Object.keys(headers).map((name) => [name, '***']));
  return Object.freeze(shownAs({ ...headers }, names));
}
