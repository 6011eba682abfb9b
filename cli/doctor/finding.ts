/** The words of the doctor: what a check is asked, and what it answers. */

/** `warning`: it works, but not well, or not for long. `problem`: something that hawser needs does not work. */
export type Verdict = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** The subject in one word. */
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found, in a sentence or two. */
  readonly found: string;
  /** What to do about it. Always there but for `ok`. */
  readonly remedy?: string | undefined;
}

export interface DoctorOptions {
  /** Where databases will be. */
  readonly folder: string;
  /** A serial port to open. */
  readonly serial: string | undefined;
  /** In bits per second. */
  readonly baudRate: number;
  /** An MQTT broker to connect to. */
  readonly broker: URL | undefined;
  /** JSON instead of text. */
  readonly json: boolean;
}

export const ok = (name: string, found: string): Finding => ({ name, verdict: 'ok', found });

export const warning = (name: string, found: string, remedy: string): Finding => ({
  ...{ name, verdict: 'warning', found, remedy },
});

export const problem = (name: string, found: string, remedy: string): Finding => ({
  ...{ name, verdict: 'problem', found, remedy },
});

/** The message of whatever was thrown, its first line. */
export function said(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

/** The `code` of whatever was thrown, as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
