/** The version of Node. Older ones than the floor do not come as far as here: see hawser.ts. */
import { ok, warning, type Finding } from './finding.js';

export function checkNode(): Finding {
  return judgeNode(process.versions.node);
}

export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const found = `Node ${version}; hawser needs 20.17 or later.`;
  if (major % 2 === 1) {
    return warning('node', `${found} Odd versions get no corrections after half a year.`, 'Use an even one, as 24.');
  }
  if (major === 22 && minor < 13) {
    return warning('node', `${found} Its own SQLite is hidden before 22.13.`, 'Update to 22.13 or later.');
  }
  return ok('node', found);
}
