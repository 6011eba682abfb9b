import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleLogger, silentLogger } from '../../src/base/index.js';

test('writes lines of the minimum level and above to standard error, and no others', (t) => {
  const write = t.mock.method(process.stderr, 'write', () => true);
  const logger = consoleLogger('warning');
  logger.log('info', 'network', 'not this');
  logger.log('warning', 'network', 'this');
  logger.log('error', 'database', 'and this');
  silentLogger.log('error', 'database', 'never');
  const lines = write.mock.calls.map((call) => call.arguments[0]);
  write.mock.restore();
  assert.deepEqual(lines, ['hawser warning [network] this\n', 'hawser error [database] and this\n']);
});
