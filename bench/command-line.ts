/** What the commands of this folder have in common in reading their command lines. */

/** What `read` makes of the command line. Where it throws, the process says why and how it is used, and ends with 2. */
export function readCommandLine<T>(usage: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

/** Throws unless the value of the option is a whole number of at least `minimum`. */
export function wholeNumber(option: string, text: string, minimum = 1): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= minimum) return value;
  throw new Error(`${option} must be a whole number from ${minimum}, not ${text}`);
}
