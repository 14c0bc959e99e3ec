/** Output of other programs as the wire accepts it: one line, no control characters, bounded. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove
const control = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g;

/** `text` on one line, trimmed, at most `maxLength` UTF-16 units. */
export function plainText(text: string, maxLength: number): string {
  const line = text.replace(control, ' ').trim();
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1).trimEnd()}…`;
}
