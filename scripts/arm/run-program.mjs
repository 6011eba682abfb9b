/** Runs a program for a limited time. Whatever it started ends with it. */
import { spawn } from 'node:child_process';

/** Process groups that must not outlive this process. */
const running = new Set();
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(status));
process.once('exit', () => {
  for (const group of running) endGroup(group);
});

/**
 * Resolves to its exit status, or the signal that ended it, and all that it printed, also where that is a failure; see
 * {@link runOrThrow}. `minutes` is all that it has: then it is killed, and `isLate` tells so.
 */
export async function runProgram(command, args, { minutes, cwd, env = process.env }) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child.pid);
  let output = '';
  let isLate = false;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const timer = setTimeout(() => {
    isLate = true;
    endGroup(child.pid);
  }, minutes * 60_000);
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal));
  }).finally(() => {
    clearTimeout(timer);
    running.delete(child.pid);
  });
  return { status, output, isLate };
}

/** The same, but a failure rejects, with the end of what it printed. */
export async function runOrThrow(what, command, args, options) {
  const { status, output, isLate } = await runProgram(command, args, options);
  if (status === 0) return output;
  const why = isLate ? `took more than ${options.minutes} minutes and was ended` : `failed (${status})`;
  throw new Error(`${what} ${why}:\n${output.split('\n').slice(-30).join('\n')}`);
}

function endGroup(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // It had ended.
  }
}
