/** A logger that keeps its lines, for tests of what is told to whom. */
import type { Logger } from '../../src/base/index.js';

export interface MemoryLogger extends Logger {
  /** `level domain message` */
  readonly lines: string[];
}

export function memoryLogger(): MemoryLogger {
  const lines: string[] = [];
  return { lines, log: (level, domain, message) => void lines.push(`${level} ${domain} ${message}`) };
}
