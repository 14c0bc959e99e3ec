/** What the finders of named entities share: the entity, and the choice among overlapping ones. */

export type EntityType = 'person' | 'organisation' | 'place' | 'date' | 'money';

/** An amount in a currency (ISO 4217). */
export interface MoneyNormal {
  readonly amount: number;
  readonly currency: string;
}

/** `text` is exactly the given text from `start` to `end`, in UTF-16 units. */
export interface Entity {
  readonly type: EntityType;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** A date as ISO 8601 (`2024-03-05`, `2024-03` for a month, `2024-03-05/2024-03-09` for a range), money as amount and currency, a name in its canonical form. */
  readonly normal: string | MoneyNormal;
}

/** A possible entity within the masked text. The higher rank wins where two overlap, then the longer. */
export interface Candidate {
  readonly type: EntityType;
  readonly start: number;
  readonly end: number;
  readonly normal: string | MoneyNormal;
  readonly rank: number;
}

/** The best candidates that do not overlap, in the order of the text. */
export function choose(candidates: readonly Candidate[]): readonly Candidate[] {
  const best = [...candidates].sort(
    (a, b) => b.rank - a.rank || b.end - b.start - (a.end - a.start) || a.start - b.start,
  );
  const starts: Candidate[] = [];
  for (const candidate of best) {
    const at = firstStartingAfter(starts, candidate.start);
    const before = starts[at - 1];
    const after = starts[at];
    if ((before && before.end > candidate.start) || (after && after.start < candidate.end)) continue;
    starts.splice(at, 0, candidate);
  }
  return starts;
}

/** The index of the first of `sorted` that starts after a position. */
function firstStartingAfter(sorted: readonly Candidate[], position: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.start ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A name on one line: what stands in the text, with any run of blanks as one. */
export function onOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
