/** A wind and water instrument as it speaks: sentences of NMEA 0183 with checksums, made up and the same in every run. */

/** The sentence number `index`: wind, depth and water temperature in turn. */
export function sentence(index: number): string {
  const swing = Math.sin(index / 9);
  switch (index % 3) {
    case 0:
      return checked(`WIMWV,${(180 + 40 * swing).toFixed(1)},R,${(11 + 3 * swing).toFixed(1)},N,A`);
    case 1:
      return checked(`SDDPT,${(14 + 4 * swing).toFixed(1)},0.5`);
    default:
      return checked(`IIMTW,${(12 + swing / 2).toFixed(1)},C`);
  }
}

/** With the exclusive or of its characters behind it. */
function checked(text: string): string {
  const sum = [...text].reduce((sum, character) => sum ^ character.charCodeAt(0), 0);
  return `$${text}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`;
}
