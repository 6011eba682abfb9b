/**
 * What the machine itself must have: Linux on x64, QEMU, the C library of each processor, and compilers for what is not in the
 * cache yet. What is missing is installed with apt-get only as root and only where it was asked for, by `CI` or
 * `HAWSER_TEST_INSTALL=1`, as in install-system.mjs.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { MachineProblem } from './problem.mjs';
import { runProgram } from './run-program.mjs';

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin'].filter(Boolean);
const isProgram = (name) => folders.some((folder) => existsSync(join(folder, name)));

/** @param toBuild those of `targets` that something must be compiled for */
export async function prepareMachine(targets, toBuild) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new MachineProblem(
      `ARM is emulated on Linux on x64; this is ${process.platform} on ${process.arch}. On ARM itself, npm test is the test.`,
    );
  const missing = missingPackages(targets, toBuild);
  if (missing.length === 0) return;
  const command = `apt-get install ${missing.join(' ')}`;
  const isWanted = Boolean(process.env.CI) || process.env.HAWSER_TEST_INSTALL === '1';
  if (!isProgram('apt-get'))
    throw new MachineProblem(`Not installed, and no apt-get to install it: what Debian calls ${missing.join(', ')}.`);
  if (!isWanted || process.getuid?.() !== 0)
    throw new MachineProblem(
      `Not installed: ${missing.join(', ')}.\nInstall it with "${command}", or as root set HAWSER_TEST_INSTALL=1.`,
    );
  console.log(`Installing with apt-get: ${missing.join(', ')}.`);
  await aptGet('update');
  await aptGet('install', '-y', '--no-install-recommends', ...missing);
  const still = missingPackages(targets, toBuild);
  if (still.length > 0) throw new MachineProblem(`apt-get installed ${still.join(', ')} elsewhere than expected.`);
}

function missingPackages(targets, toBuild) {
  const missing = [];
  if (!targets.every(({ emulator }) => isProgram(emulator))) missing.push('qemu-user-static');
  for (const { sysroot, loader, libraries } of targets) {
    const files = [loader, 'lib/libstdc++.so.6', 'lib/libgcc_s.so.1', 'lib/libatomic.so.1'];
    if (!files.every((file) => existsSync(join(sysroot, file)))) missing.push(...libraries);
  }
  for (const { toolchain, compiler } of toBuild) if (!isProgram(`${toolchain}g++`)) missing.push(compiler);
  if (toBuild.length > 0) missing.push(...['make', 'python3'].filter((program) => !isProgram(program)));
  return missing;
}

async function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt-get may be at work.
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120'];
  const { status, output, isLate } = await runProgram('apt-get', [...options, ...args], { minutes: 8, env });
  if (status === 0) return;
  const why = isLate ? 'took too long' : 'failed';
  throw new MachineProblem(`apt-get ${args[0]} ${why}:\n${output.split('\n').slice(-15).join('\n')}`);
}
