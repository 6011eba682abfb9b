/** Where diagnostics go. Never credentials, never bodies of documents. */

export type LogLevel = 'debug' | 'verbose' | 'info' | 'warning' | 'error';
export type LogDomain = 'database' | 'replicator' | 'network' | 'listener';

export interface Logger {
  log(level: LogLevel, domain: LogDomain, message: string): void;
}

const LEVELS: readonly LogLevel[] = ['debug', 'verbose', 'info', 'warning', 'error'];

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
