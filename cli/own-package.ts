/** What the package says of itself. */
import { readFileSync } from 'node:fs';

export interface OwnPackage {
  readonly version: string;
  /** Versions of optional packages, as `^5.10.0`, by name. */
  readonly peerDependencies: Readonly<Record<string, string>>;
  /** When it was built, in milliseconds since the epoch; undefined where the sources run as they are. */
  readonly builtAt: number | undefined;
}

/** The folder of the package: that of node_modules, or the repository. */
export const PACKAGE_FOLDER = new URL('..', import.meta.url);

export function ownPackage(): OwnPackage {
  const manifest = JSON.parse(readFileSync(new URL('package.json', PACKAGE_FOLDER), 'utf8')) as OwnPackage;
  const { version, peerDependencies } = manifest;
  const builtAt = typeof BUILT_AT === 'number' ? BUILT_AT : undefined;
  return { version, peerDependencies, builtAt };
}

/** The build puts it in. */
declare const BUILT_AT: number | undefined;
