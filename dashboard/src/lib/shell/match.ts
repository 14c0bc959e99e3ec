/** Scores palette entries against the typed text: every word must match the entry's text or search words. Pure. */

export interface Findable {
  readonly text: string;
  /** More search words, separated by spaces. */
  readonly words?: string | undefined;
}

const START = 8;
const WORD = 4;
const INSIDE = 2;
const OTHER = 1;

/** Higher is better; 0: no match. With nothing typed all score the same. */
export function scoreOf({ text, words = '' }: Findable, typed: string): number {
  const haystack = text.toLowerCase();
  const others = words.toLowerCase().split(/\s+/);
  let sum = 1;
  for (const word of typed.toLowerCase().split(/\s+/)) {
    if (word === '') continue;
    const score = haystack.startsWith(word)
      ? START
      : haystack.split(/[\s\-_.:/]+/).some((part) => part.startsWith(word))
        ? WORD
        : haystack.includes(word)
          ? INSIDE
          : others.some((other) => other.startsWith(word))
            ? OTHER
            : 0;
    if (score === 0) return 0;
    sum += score;
  }
  return sum;
}

/** The matching entries, best first; a stable sort. */
export function fitting<T extends Findable>(all: readonly T[], typed: string): T[] {
  return all
    .map((item) => ({ item, score: scoreOf(item, typed) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ item }) => item);
}
