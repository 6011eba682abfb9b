/** The optional packages: whether they are there, load, and have a version that hawser knows. */
import { existsSync, readFileSync } from 'node:fs';
import { ownPackage } from '../own-package.js';
import { codeOf, ok, said, warning, type Finding } from './finding.js';

export interface PackageFacts {
  readonly name: string;
  /** As package.json asks for it: `^5.10.0`. */
  readonly range: string;
  /** Undefined where it is not installed. */
  readonly version: string | undefined;
  /** Why it does not load, if it is there and does not. */
  readonly failure: string | undefined;
}

export async function checkPackages(): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, range] of Object.entries(ownPackage().peerDependencies)) {
    const version = installedVersion(name);
    findings.push(
      judgePackage({ name, range, version, failure: version === undefined ? undefined : await failureOf(name) }),
    );
  }
  return findings;
}

export function judgePackage({ name, range, version, failure }: PackageFacts): Finding {
  const use = name === 'mqtt' ? 'hawser/mqtt' : 'hawser/serial';
  const install = `npm install ${name}@${range}`;
  if (version === undefined) return ok('packages', `${name} is not installed: only ${use} needs it (${install}).`);
  if (failure !== undefined) {
    return warning('packages', `${name} ${version} does not load, so ${use} cannot be used: ${failure}.`, install);
  }
  if (!isWithin(version, range)) {
    return warning('packages', `${name} ${version} is not a version that hawser was made for (${range}).`, install);
  }
  return ok('packages', `${name} ${version}, for ${use}.`);
}

/** For ranges with a caret, which all of ours are: the same major version, and nothing older. */
export function isWithin(version: string, range: string): boolean {
  const numbers = (text: string): number[] => text.replace('^', '').split(/[.+-]/).map(Number);
  const [major = 0, minor = 0, patch = 0] = numbers(version);
  const [wantedMajor = 0, wantedMinor = 0, wantedPatch = 0] = numbers(range);
  return major === wantedMajor && (minor > wantedMinor || (minor === wantedMinor && patch >= wantedPatch));
}

async function failureOf(name: string): Promise<string | undefined> {
  return import(name).then(
    () => undefined,
    (error: unknown) => said(error),
  );
}

/** From the package.json above the file that an import would load. */
function installedVersion(name: string): string | undefined {
  let folder: URL;
  try {
    folder = new URL('.', import.meta.resolve(name));
  } catch (error) {
    if (codeOf(error) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
  for (;;) {
    const file = new URL('package.json', folder);
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { readonly name?: string; readonly version?: string };
      if (manifest.name === name) return manifest.version;
    }
    const above = new URL('..', folder);
    if (above.href === folder.href) return undefined;
    folder = above;
  }
}
