/** What a question asks of the text index: its telling words, without those that every text has. Pure. */

/** Words that tell nothing about a passage. Kept short on purpose: rare ones cost nothing, as they are weighted. */
const COMMON = new Set(
  `a about after am an and any are as at be because been before but by can could did do does for from get got had has
  have he her him his how i if in into is it its just let many may me might much my no not of on or our shall she should
  so some such than that the their them then there these they this those to under up us very was we were what when where
  which who whom why will with would you your`.split(/\s+/),
);
/** Longer questions are mails: their first words have to do. */
const MOST_WORDS = 32;

/** The telling words of a question, each once, lower case; all of its words where it has no telling one. */
export function wordsOf(question: string): string[] {
  const all = [...new Set(question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])];
  const telling = all.filter((word) => !COMMON.has(word));
  return (telling.length > 0 ? telling : all).slice(0, MOST_WORDS);
}

/** Tells whether a lower-case word tells nothing about a passage. */
export function isCommon(word: string): boolean {
  return COMMON.has(word);
}

/** A word as FTS5 takes it, whatever it holds. */
export function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
