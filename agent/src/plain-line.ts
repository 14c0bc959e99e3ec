/** Output of other programs as a line that the wire and people can read. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g;

/** `text` on one line, without control and bidirectional characters, at most `maxLength` UTF-16 units. */
export function plainLine(text: string, maxLength = 300): string {
  const line = text.replace(CONTROL, ' ').trim();
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1).trimEnd()}…`;
}
