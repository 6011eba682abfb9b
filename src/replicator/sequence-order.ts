/** Which of two positions in a remote's feed is the earlier one (specification 4.5: the three forms of Sync Gateway). Pure. */

interface ParsedSequence {
  readonly low: bigint | undefined;
  readonly triggeredBy: bigint | undefined;
  readonly sequence: bigint;
}

/**
 * True if `a` comes before `b`, false if not, undefined if either cannot be compared.
 * Both are JSON texts: `42`, `"7:42"`, `"5::42"`, `"5:7:42"`.
 */
export function isBefore(a: string, b: string): boolean | undefined {
  const x = parse(a);
  const y = parse(b);
  if (x === undefined || y === undefined) return undefined;
  return before(x, y);
}

function before(a: ParsedSequence, b: ParsedSequence): boolean {
  if (a.low !== undefined && b.low !== undefined) {
    return a.low !== b.low ? a.low < b.low : before({ ...a, low: undefined }, { ...b, low: undefined });
  }
  if (a.low !== undefined) return a.low < b.sequence;
  if (b.low !== undefined) return (a.triggeredBy ?? a.sequence) <= b.low;
  if (a.triggeredBy !== undefined && b.triggeredBy !== undefined) {
    return a.triggeredBy !== b.triggeredBy ? a.triggeredBy < b.triggeredBy : a.sequence < b.sequence;
  }
  if (a.triggeredBy !== undefined) return a.triggeredBy <= b.sequence;
  if (b.triggeredBy !== undefined) return a.sequence < b.triggeredBy;
  return a.sequence < b.sequence;
}

function parse(json: string): ParsedSequence | undefined {
  const text = json.startsWith('"') && json.endsWith('"') ? json.slice(1, -1) : json;
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, low, triggeredBy, sequence] = match;
  return { low: number(low), triggeredBy: number(triggeredBy), sequence: BigInt(sequence ?? '0') };
}

const number = (text: string | undefined): bigint | undefined =>
  text === undefined || text === '' ? undefined : BigInt(text);

const FORM = /^(?:(\d{1,20}):(?=\d*:))?(?:(\d{0,20}):)?(\d{1,20})$/;
