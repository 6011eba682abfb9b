/** What the command line asks for, done; the exit status says how it ended. */
import { runDoctor } from './doctor/doctor.js';
import { HELP, readCommandLine, UsageError } from './command-line.js';
import { ownPackage } from './own-package.js';

/** Ends the process: with 0, 1 where the doctor has found a problem, 2 for a wrong command line, 70 for a fault of ours. */
export async function main(parameters: readonly string[]): Promise<void> {
  try {
    end(await run(parameters));
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nTry: hawser --help\n`);
      end(2);
    } else {
      process.stderr.write(`hawser: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      end(70);
    }
  }
}

async function run(parameters: readonly string[]): Promise<number> {
  const command = readCommandLine(parameters);
  switch (command.kind) {
    case 'help':
      process.stdout.write(HELP);
      return 0;
    case 'version':
      process.stdout.write(`${ownPackage().version}\n`);
      return 0;
    case 'doctor':
      return runDoctor(command.options);
  }
}

/** What a check has left behind, as a system call that never returns, must not keep the process. */
function end(status: number): void {
  process.stdout.write('', () => process.exit(status));
}
