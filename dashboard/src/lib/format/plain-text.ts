/**
 * The protocol's rule for short texts that other people will see: no control characters, and no bidirectional marks,
 * which would reorder the text around them. Pure; a test compares it with the protocol's schema, which is too large to
 * import here.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to reject
const PLAIN = /^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/;

/** @param what begins the sentence: "A name" @param most characters, of which an emoji is one */
export function plainProblem(what: string, text: string, most: number): string | undefined {
  if ([...text].length > most) return `${what} must have at most ${most} characters`;
  return PLAIN.test(text) ? undefined : `${what} must not contain control characters or bidirectional marks`;
}
