/**
 * Loaded first by every emulated Node. The system cannot start its program, and can start the script that starts it in the
 * emulator; and what is started as TypeScript has been compiled, beside where it was.
 */
const Module = require('node:module');
const process = require('node:process');

process.execPath = process.env.HAWSER_ARM_RUNNER;
// Programs of this machine that are started from here could not load it.
delete process.env.LD_PRELOAD;

const { runMain } = Module;
Module.runMain = (main) => runMain(main?.replace(/\.ts$/, '.js'));
