/**
 * Fuses what the searches measured of each passage into one score. Pure. The measures are added, not their ranks as in
 * reciprocal rank fusion: with a small encoder it matters whether the nearest passage is near or just the nearest of many
 * far ones, and whether a passage holds the question's words or one common word that happens to match.
 */

/** A passage as the searches saw it; ranks count from 1. */
export interface Candidate {
  readonly passage: number;
  /** Cosine of the question and the passage under its title and heading. */
  readonly similarity: number;
  /** Cosine of the question and the passage's best sentence. */
  readonly sentenceSimilarity: number;
  /** Share of the question that the passage holds in its own or in related words: 0 to 1. */
  readonly coverage: number;
  /** Its place by BM25; absent where it holds none of the question's words. */
  readonly textRank?: number;
}

export interface Fused extends Candidate {
  /** Its place by the two similarities. */
  readonly vectorRank: number;
  /** Only for comparing the passages of one answer; 0 to 1. */
  readonly score: number;
}

/**
 * What the coverage counts beside either similarity. Fitted to the questions in tests/workloads/rag/tuning (listwise
 * logistic regression, each sixth of the documents held out in turn).
 */
const COVERAGE_SHARE = 0.41;
const BEST = 2 + COVERAGE_SHARE;

/** Best first. */
export function fuse(candidates: Iterable<Candidate>): Fused[] {
  return [...candidates]
    .map((candidate) => ({ candidate, meaning: candidate.similarity + candidate.sentenceSimilarity }))
    .sort((a, b) => b.meaning - a.meaning || a.candidate.passage - b.candidate.passage)
    .map(({ candidate, meaning }, index) => {
      const score = Math.min(1, Math.max(0, (meaning + COVERAGE_SHARE * candidate.coverage) / BEST));
      return { ...candidate, vectorRank: index + 1, score };
    })
    .sort((a, b) => b.score - a.score || a.vectorRank - b.vectorRank);
}
