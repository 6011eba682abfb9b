/**
 * One peer of a benchmark, a process of its own that runs the built package as a user would. `--plain` switches off what
 * hawser peers announce to each other beyond the protocol of Couchbase Lite.
 */
import { obey } from './command-loop.mjs';
import { databaseCommands } from './peer-database.mjs';
import { replicationCommands } from './peer-replication.mjs';

obey({ ...databaseCommands, ...replicationCommands });
