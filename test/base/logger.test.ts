import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleLogger, oneLine, oneLineLogger, silentLogger } from '../../src/base/index.js';
import { memoryLogger } from '../support/memory-logger.js';

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

test('a quoted text neither ends the line nor controls a terminal', () => {
  assert.equal(oneLine('pump "7"\\n — Größe 5 m³ 🚢'), 'pump "7"\\n — Größe 5 m³ 🚢');
  assert.equal(
    oneLine('a\r\nb\u001b[2J\u0000\u007f\u009b\u2028\u202e\u2066'),
    'a\\u000d\\u000ab\\u001b[2J\\u0000\\u007f\\u009b\\u2028\\u202e\\u2066',
  );
  const logger = memoryLogger();
  oneLineLogger(logger).log('error', 'network', 'one\nhawser error [network] two');
  assert.deepEqual(logger.lines, ['error network one\\u000ahawser error [network] two']);
});
