/** The content words of a question, for the text index. Pure. */

/** Stop words. A short list is enough, as words are weighted by their rarity. */
const COMMON = new Set(
  `a about after am an and any are as at be because been before but by can could did do does for from get got had has
  have he her him his how i if in into is it its just let many may me might much my no not of on or our shall she should
  so some such than that the their them then there these they this those to under up us very was we were what when where
  which who whom why will with would you your`.split(/\s+/),
);
/** Longer questions are mails: only their first words count. */
const MOST_WORDS = 32;

/** The content words of a question, each once, lower case; all of its words where it has none. */
export function wordsOf(question: string): string[] {
  const all = [...new Set(question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])];
  const telling = all.filter((word) => !COMMON.has(word));
  return (telling.length > 0 ? telling : all).slice(0, MOST_WORDS);
}

/** Whether a lower-case word is a stop word. */
export function isCommon(word: string): boolean {
  return COMMON.has(word);
}

/** A word quoted for FTS5, whatever it contains. */
export function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
