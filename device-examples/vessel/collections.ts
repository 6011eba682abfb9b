/** What lies in the databases: a collection for the readings of each node, and one that goes the other way. */
import { ROLES, type Role } from './readings.js';

/** Written on the shore; every station has it. */
export const ORDERS = 'orders';

/** @param readings in the order of {@link ROLES} */
export async function countByRole(
  readings: readonly { count(): Promise<number> }[],
): Promise<Readonly<Record<Role, number>>> {
  const counts = await Promise.all(readings.map((collection) => collection.count()));
  return Object.fromEntries(ROLES.map((role, index) => [role, counts[index] ?? 0])) as Record<Role, number>;
}
