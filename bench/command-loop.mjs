/**
 * What the processes of the benchmarks have in common: they do what they are told over IPC, one thing at a time, and answer
 * each message with one. Plain JavaScript, so that no compiler is in a measured process.
 */

/** @param commands functions by name; each takes the parameters of its message and resolves to an answer */
export function obey(commands) {
  const known = { ...commands, cpu };
  process.on('message', ({ command, ...parameters }) => {
    Promise.resolve()
      .then(() => known[command](parameters))
      .then(
        (result) => process.send({ result: result ?? {} }),
        (error) => process.send({ error: `${error.code ?? ''} ${error.message}` }),
      );
  });
  process.on('disconnect', () => process.exit());
  // Ctrl-C reaches every process of a terminal. The one that started us ends us, when it has put everything away.
  process.on('SIGINT', () => undefined);
}

/** What this process has used so far, on all its threads. */
function cpu() {
  const { user, system } = process.cpuUsage();
  return { seconds: (user + system) / 1e6 };
}

/** How long `work` takes, and the processor time of this process meanwhile. In seconds. */
export async function timed(work) {
  const before = cpu();
  const start = performance.now();
  await work();
  return { seconds: (performance.now() - start) / 1e3, cpuSeconds: cpu().seconds - before.seconds };
}

/** The same in every process of the machine, in milliseconds. */
export function now() {
  return performance.timeOrigin + performance.now();
}
