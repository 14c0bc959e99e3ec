/**
 * Short texts that others will read, as the protocol takes them: a mark of direction in a name would turn around what
 * stands beside it. Pure; a test holds it against the protocol, whose schemas would bring their whole library into the page.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const PLAIN = /^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/;

/** @param what begins the sentence: "A name" @param most characters, of which an emoji is one */
export function plainProblem(what: string, text: string, most: number): string | undefined {
  if ([...text].length > most) return `${what} has at most ${most} characters`;
  return PLAIN.test(text) ? undefined : `${what} has no control characters and no marks of direction`;
}
