/** Node and nothing else, for what a process has before it does anything. */
import { obey } from './command-loop.mjs';

obey({});
