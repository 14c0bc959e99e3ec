/**
 * Fuses the ranks of the two searches. Pure. Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009), with the text
 * search's share scaled by how much of the question a passage holds: where a question is put in other words than the
 * document's, the one common word that happens to match must not outvote the meaning.
 */

/** A passage as the two searches saw it; ranks count from 1. */
export interface Candidate {
  readonly passage: number;
  readonly vectorRank?: number;
  readonly textRank?: number;
  /** Share of the question's words in the passage, each weighted by its rarity: 0 to 1. */
  readonly coverage: number;
}

export interface Fused extends Candidate {
  /** Only for comparing the passages of one answer; at most 1. */
  readonly score: number;
}

/**
 * How fast a rank's worth falls. The usual 60 is for fusing many long lists; with two, the top ranks have to stand out.
 * Chosen on the questions in tests/agent/rag/tuning (of 5, 10, 20, 60).
 */
const SMOOTHING = 10;
/** Of a passage that leads both lists and holds every word. */
const BEST = 2 / (SMOOTHING + 1);

/** Best first. */
export function fuse(candidates: Iterable<Candidate>): Fused[] {
  const fused = [...candidates].map((candidate) => {
    const { vectorRank, textRank, coverage } = candidate;
    const byVector = vectorRank === undefined ? 0 : 1 / (SMOOTHING + vectorRank);
    const byText = textRank === undefined ? 0 : coverage / (SMOOTHING + textRank);
    return { ...candidate, score: (byVector + byText) / BEST };
  });
  return fused.sort((a, b) => b.score - a.score || a.passage - b.passage);
}
