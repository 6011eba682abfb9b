/** Files of the kernel and of services, which are there or not. */
import { readFileSync } from 'node:fs';

/** Empty where it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
