/**
 * Loads npm packages when they are first used, and by `require` where that finds them. Importing a CommonJS package from an ES
 * module has Node read its whole text for the names it exports, with code that gets hot enough on the way to be optimised: 3 to
 * 5 MiB that a process does not get back (Node 20).
 */
import { createRequire } from 'node:module';

/**
 * @param name of a package that is written in CommonJS
 * @param imported imports it all the same, where it lies in a bundle and not in `node_modules`; rejects where there is none
 */
export async function loadPackage<T>(name: string, imported: () => Promise<T>): Promise<T> {
  const load = requireHere();
  if (load === undefined) return imported();
  try {
    return load(name) as T;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    if (!isMissing || !error.message.includes(`'${name}'`)) throw error;
    return imported();
  }
}

/** Undefined in a bundle that knows no place of its own. */
function requireHere(): NodeJS.Require | undefined {
  try {
    return createRequire(import.meta.url);
  } catch {
    return undefined;
  }
}
