/** What the command line says to every benchmark. */
import type { Report } from './report.js';

export interface Settings {
  /** How often each measurement is made. */
  readonly runs: number;
  /** Numbers of documents. @default each benchmark has its own */
  readonly documents?: readonly number[];
  /** Switch off what hawser peers announce to each other beyond the protocol of Couchbase Lite. */
  readonly plain: boolean;
  /** Measure the memory that a million documents take, too. */
  readonly million: boolean;
  /** How long an idle link is watched. */
  readonly seconds: number;
}

/** Measures and puts tables into the report. */
export type Benchmark = (report: Report, settings: Settings) => Promise<void>;
