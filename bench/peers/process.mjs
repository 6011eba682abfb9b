/**
 * The side of a peer process that all peers share: it does what it is told over IPC, one command at a time, and answers
 * each with one message. README.md lists the commands. Plain JavaScript, so that no compiler is in a measured process.
 */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

export function serve(commands) {
  const all = { ...sharedCommands, ...commands };
  process.on('message', ({ command, ...parameters }) => {
    Promise.resolve(all[command](parameters)).then(
      (result) => process.send({ result: result ?? {} }),
      (error) => process.send({ error: error.stack ?? String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}

/** Says that the watched document has changed here. */
export function arrived() {
  lastArrival = now();
  for (const wake of waiting.splice(0)) wake();
}

/** The same in every process of the machine, in milliseconds. */
export function now() {
  return performance.timeOrigin + performance.now();
}

let lastArrival = 0;
const waiting = [];

const sharedCommands = {
  /** When the watched document changed here for the last time; waits for a change later than `after`. */
  async arrival({ after }) {
    while (lastArrival <= after) await new Promise((resolve) => waiting.push(resolve));
    return { at: lastArrival };
  },

  /** On a server: until it has on disk what a client sent. Only where the client's `replicate` cannot know that. */
  async received() {},

  async usage() {
    const { user, system } = process.cpuUsage();
    return { cpuMicroseconds: user + system, peakRssMiB: peakRssMiB() };
  },
};

/** Not Node's `maxRSS`, which begins at what the process had that started this one. */
function peakRssMiB() {
  const [, kibibytes] = /^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kibibytes) / 1024;
}
