/**
 * Sanitises untrusted text (names, messages, results) for a terminal: what would move the cursor, colour the
 * screen or reverse the reading direction is shown as an escape. Pure.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to show as escapes
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above, without tab and line feed
const CONTROL_IN_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const BEYOND_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** On one line. */
export function plainLine(text: string): string {
  return text.replace(CONTROL, escaped);
}

/** With its lines. */
export function plainLines(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(CONTROL_IN_LINES, escaped);
}

/** The same value as JSON text; the escapes are JSON's own. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(BEYOND_JSON, escaped);
}
