/** How well something fits what is typed into the palette: every word must be found in its text or its other words. */

export interface Findable {
  readonly text: string;
  /** Other words to find it by, separated by spaces. */
  readonly words?: string | undefined;
}

const START = 8;
const WORD = 4;
const INSIDE = 2;
const OTHER = 1;

/** Higher is better; 0: it does not fit. With nothing typed everything fits alike. */
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

/** Those that fit, the best first; of equals in the order given. */
export function fitting<T extends Findable>(all: readonly T[], typed: string): T[] {
  return all
    .map((item) => ({ item, score: scoreOf(item, typed) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ item }) => item);
}
