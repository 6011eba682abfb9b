/** What an open database knows of one collection. Shared by all its handles. */
export interface CollectionState {
  /** Names the table; -1 until the first write makes the collection. */
  key: number;
  readonly scope: string;
  readonly name: string;
  /** The highest sequence committed. */
  lastSequence: number;
  /** Set for good when the collection is deleted: handles made before stay invalid even if it is made anew. */
  deleted: boolean;
  /** How many want the bodies of former revisions kept, as bases of the deltas they send. */
  bodyKeepers: number;
}

/** The key of a record that belongs to a collection and ends with it: another one of the same name knows nothing of it. */
export function recordKey({ key }: CollectionState, name: string): string {
  return `${key} ${name}`;
}
