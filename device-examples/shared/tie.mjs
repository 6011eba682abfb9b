/** Loaded before a program of an example: it ends when the one that started it is gone without a word. */
process.once('disconnect', () => {
  process.stdout.on('error', () => undefined); // nobody reads it any more
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), 5_000).unref();
});
process.channel?.unref(); // and may end before
