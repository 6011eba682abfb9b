/** Who is compared. Each name is a file of this folder that does the same commands; README.md says how. */

export interface Subject {
  readonly title: string;
  readonly file: string;
  /** Whether it keeps its documents on disk; what does not is filled and checked in the process that is measured. */
  readonly durable: boolean;
  /** Beside what all are told. */
  readonly open?: object;
  readonly listen?: object;
}

const hawserOverTLS: Subject = { title: 'hawser, wss', file: 'hawser.mjs', durable: true };
const hawser: Subject = { title: 'hawser, ws', file: 'hawser.mjs', durable: true, listen: { disableTLS: true } };
const pouchdb: Subject = { title: 'PouchDB', file: 'pouchdb.mjs', durable: true };
const rxdb: Subject = { title: 'RxDB (in memory)', file: 'rxdb.mjs', durable: false };
const yjs: Subject = { title: 'Yjs', file: 'yjs.mjs', durable: true };
const yjsInRooms: Subject = { title: 'Yjs, a room a client', file: 'yjs.mjs', durable: true, open: { ownRooms: true } };
const lowerBound: Subject = { title: 'lower bound', file: 'lower-bound.mjs', durable: true };

/** Both of hawser first: the others are compared with them. */
export const SUBJECTS = {
  push: [hawserOverTLS, hawser, lowerBound, yjs, rxdb, pouchdb],
  fanIn: [hawserOverTLS, hawser, lowerBound, yjs, yjsInRooms, pouchdb],
  update: [hawser, yjs, rxdb, pouchdb],
} as const;
