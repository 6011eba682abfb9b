/** What is chosen once for an open folder, however many Database objects share it. */
import type { Clock, Logger } from '../base/index.js';
import { HawserError } from '../errors.js';
import type { StorageOptions } from '../storage/index.js';
import { profileOf, type ProfileName } from './profile.js';

/** What all Database objects on a path share. Where one is left out, whatever the engine has is taken. */
export interface EngineOptions {
  readonly profile?: ProfileName | undefined;
  readonly fullSync?: boolean | undefined;
  readonly driver?: StorageOptions['driver'] | undefined;
  readonly maxQueuedWrites?: number | undefined;
}

/** Of the Database object that opens the folder first. */
export interface EngineTools {
  readonly clock: Clock;
  readonly logger: Logger;
}

export type EngineSettings = { readonly [Name in keyof EngineOptions]-?: NonNullable<EngineOptions[Name]> };

export function withDefaults(options: EngineOptions): EngineSettings {
  const { profile = 'default', fullSync = false, driver = 'auto' } = options;
  const { maxQueuedWrites = profileOf(profile).maxQueuedWrites } = options;
  return { profile, fullSync, driver, maxQueuedWrites };
}

/** Throws `ARGUMENT_INVALID` if the folder is open with other options than `wanted`. */
export function checkSame(path: string, wanted: EngineOptions, present: EngineOptionsInUse): void {
  const { driver = 'auto', fullSync, maxQueuedWrites, profile } = wanted;
  let other: string | undefined;
  if (profile !== undefined && profile !== present.profile) other = 'profile';
  if (fullSync !== undefined && fullSync !== present.fullSync) other = 'fullSync';
  if (driver !== 'auto' && driver !== present.driver) other = 'driver';
  if (maxQueuedWrites !== undefined && maxQueuedWrites !== present.maxQueuedWrites) other = 'maxQueuedWrites';
  if (other === undefined) return;
  throw new HawserError('ARGUMENT_INVALID', `${path} is open in this process with another ${other}`);
}

/** With the driver that was found. */
type EngineOptionsInUse = Omit<EngineSettings, 'driver'> & { readonly driver: string };
