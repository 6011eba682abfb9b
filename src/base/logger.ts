/** Where diagnostics go. Never credentials, never bodies of documents. */

export type LogLevel = 'debug' | 'verbose' | 'info' | 'warning' | 'error';
export type LogDomain = 'database' | 'replicator' | 'network' | 'listener';

export interface Logger {
  log(level: LogLevel, domain: LogDomain, message: string): void;
}

const LEVELS: readonly LogLevel[] = ['debug', 'verbose', 'info', 'warning', 'error'];

/**
 * For the parts of hawser: what they say goes to `logger` in one line, whatever it quotes. A peer chooses document IDs and
 * reasons, and must neither write lines of its own into a log nor control the terminal that shows it.
 */
export function oneLineLogger(logger: Logger): Logger {
  return { log: (level, domain, message) => logger.log(level, domain, oneLine(message)) };
}

/** With control characters, and those that turn the direction of text, as numbers: `\u001b`. */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Writes lines of at least `minimum` to standard error. */
export function consoleLogger(minimum: LogLevel = 'warning'): Logger {
  const threshold = LEVELS.indexOf(minimum);
  return {
    log(level, domain, message) {
      if (LEVELS.indexOf(level) >= threshold) process.stderr.write(`hawser ${level} [${domain}] ${message}\n`);
    },
  };
}

/** Drops everything. */
export const silentLogger: Logger = { log: () => undefined };
