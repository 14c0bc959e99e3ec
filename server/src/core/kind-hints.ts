/**
 * "Did you mean": the known kinds closest to an unknown one. A mistake leaves the beginning or the end of a word as it is, so
 * only the neighbours in two sorted lists are compared, by beginning and by end: the cost does not depend on how many
 * kinds there are. Names are sorted anew at most once a second, and only as many as MAX_NAMES.
 */
const NEIGHBOURS = 8;
const MAX_NAMES = 4_096;
const SORTED_MS = 1_000;

export class KindHints {
  #byStart: readonly string[] = [];
  /** Reversed names. */
  #byEnd: readonly string[] = [];
  #size = -1;
  #sortedAtMs = Number.NEGATIVE_INFINITY;
  /** Names that were compared so far: what the hints cost. */
  compared = 0;

  /** Best first: at most three, each at a distance of at most half the longer word's length. */
  near(kind: string, known: ReadonlyMap<string, unknown>, nowMs: number): string[] {
    if (known.size !== this.#size && nowMs - this.#sortedAtMs >= SORTED_MS) this.#sort(known, nowMs);
    const names = new Set(neighbours(this.#byStart, kind));
    for (const name of neighbours(this.#byEnd, reversed(kind))) names.add(reversed(name));
    this.compared += names.size;
    return [...names]
      .filter((name) => known.has(name))
      .map((name) => ({ name, away: distance(kind, name) }))
      .filter(({ name, away }) => away <= Math.max(kind.length, name.length) / 2)
      .sort((a, b) => a.away - b.away || (a.name < b.name ? -1 : 1))
      .slice(0, 3)
      .map(({ name }) => name);
  }

  #sort(known: ReadonlyMap<string, unknown>, nowMs: number): void {
    const names: string[] = [];
    for (const name of known.keys()) if (names.push(name) >= MAX_NAMES) break;
    this.#byStart = names.toSorted();
    this.#byEnd = names.map(reversed).sort();
    this.#size = known.size;
    this.#sortedAtMs = nowMs;
  }
}

const reversed = (word: string): string => [...word].reverse().join('');

/** The words on both sides of where the word would stand. */
function neighbours(sorted: readonly string[], word: string): readonly string[] {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < word) low = middle + 1;
    else high = middle;
  }
  return sorted.slice(Math.max(0, low - NEIGHBOURS), low + NEIGHBOURS);
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
