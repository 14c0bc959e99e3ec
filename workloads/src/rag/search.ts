/**
 * Finds the passages of a collection that answer a question: by meaning (vectors of passages and of their sentences) and
 * by words (BM25; the question's words or related ones), fused by score.
 */
import { blobOf } from '../storage/collections.js';
import type { Database } from '../storage/sqlite.js';
import { coverageOf } from './coverage.js';
import { type Candidate, type Fused, fuse } from './fusion.js';
import { quoted, wordsOf } from './question.js';

/** Candidates that each search yields; what is in no search's first hundred is no answer. */
const DEPTH = 100;
/** Candidates among sentences: more, as the nearest may be of few passages. */
const SENTENCE_DEPTH = 300;

/** Best first. */
export function searchPassages(
  database: Database,
  collection: number,
  question: string,
  vector: readonly number[],
): Fused[] {
  const query = blobOf(vector);
  const words = wordsOf(question);
  const coverage = coverageOf(database, collection, words);
  const textRanks = new Map(byWords(database, collection, words).map((passage, index) => [passage, index + 1]));
  const covering = [...coverage].sort((a, b) => b[1] - a[1]).slice(0, DEPTH);
  const passages = new Set([
    ...byMeaning(database, collection, query),
    ...textRanks.keys(),
    ...covering.map(([passage]) => passage),
  ]);
  const similarity = similarityTo(database, collection, query);
  return fuse(
    [...passages].map((passage): Candidate => {
      const measured = { passage, ...similarity(passage), coverage: coverage.get(passage) ?? 0 };
      const textRank = textRanks.get(passage);
      return textRank === undefined ? measured : { ...measured, textRank };
    }),
  );
}

/** The passages that are nearest as a whole, and those with the nearest sentences. */
function byMeaning(database: Database, collection: number, query: Buffer): number[] {
  const near = database
    .prepare<[Buffer, bigint], number>(
      `SELECT rowid FROM passage_vectors_${collection} WHERE embedding MATCH ? AND k = ?`,
    )
    .pluck()
    .all(query, BigInt(DEPTH));
  const nearSentences = database
    .prepare<[Buffer, bigint], number>(
      `SELECT s.passage FROM sentence_vectors_${collection} v JOIN sentences s ON s.id = v.rowid
       WHERE v.embedding MATCH ? AND v.k = ?`,
    )
    .pluck()
    .all(query, BigInt(SENTENCE_DEPTH));
  return [...near, ...nearSentences];
}

/** Measures one passage and its best sentence. */
function similarityTo(
  database: Database,
  collection: number,
  query: Buffer,
): (passage: number) => Pick<Candidate, 'similarity' | 'sentenceSimilarity'> {
  const whole = database
    .prepare<[Buffer, bigint], number>(
      `SELECT vec_distance_cosine(embedding, ?) FROM passage_vectors_${collection} WHERE rowid = ?`,
    )
    .pluck();
  const best = database
    .prepare<[Buffer, number], number | null>(
      `SELECT min(vec_distance_cosine(v.embedding, ?)) FROM sentences s
       JOIN sentence_vectors_${collection} v ON v.rowid = s.id WHERE s.passage = ?`,
    )
    .pluck();
  return (passage) => {
    const distance = whole.get(query, BigInt(passage)) ?? 2;
    return { similarity: 1 - distance, sentenceSimilarity: 1 - (best.get(query, passage) ?? distance) };
  };
}

function byWords(database: Database, collection: number, words: readonly string[]): number[] {
  if (words.length === 0) return [];
  return database
    .prepare<[string, number], number>(
      `SELECT rowid FROM words_${collection} WHERE words_${collection} MATCH ? ORDER BY rank, rowid LIMIT ?`,
    )
    .pluck()
    .all(words.map(quoted).join(' OR '), DEPTH);
}
