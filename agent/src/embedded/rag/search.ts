/**
 * Finds the passages of a collection that answer a question: by meaning (vectors of passages and of their sentences) and
 * by words (BM25), fused by rank.
 */
import type { Database } from '../sqlite.js';
import { type Candidate, type Fused, fuse } from './fusion.js';
import { quoted, wordsOf } from './question.js';
import { blobOf } from './store.js';

/** How far down either search looks; what is in neither's first hundred is no answer. */
const DEPTH = 100;
/** A passage has several sentences, and the nearest may crowd in few passages. */
const SENTENCE_DEPTH = 300;
/** What the best sentence counts beside the whole passage. Chosen with the questions in tests/agent/rag/tuning (of 0.6, 1, 1.7). */
const SENTENCE_SHARE = 0.6;

/** Best first, at most `DEPTH` of either search. */
export function searchPassages(
  database: Database,
  collection: number,
  question: string,
  vector: readonly number[],
): Fused[] {
  const candidates = new Map<number, Candidate>();
  for (const [index, passage] of byMeaning(database, collection, vector).entries()) {
    candidates.set(passage, { passage, vectorRank: index + 1, coverage: 0 });
  }
  const words = wordsOf(question);
  const coverage = coverageOf(database, collection, words);
  for (const [index, passage] of byWords(database, collection, words).entries()) {
    const known = candidates.get(passage);
    candidates.set(passage, { ...known, passage, textRank: index + 1, coverage: coverage.get(passage) ?? 0 });
  }
  return fuse(candidates.values());
}

/** Nearest first, by the passage's own similarity and that of its best sentence. */
function byMeaning(database: Database, collection: number, vector: readonly number[]): number[] {
  const query = blobOf(vector);
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
  const distances = [...new Set([...near, ...nearSentences])].map((passage) => {
    const ofPassage = whole.get(query, BigInt(passage)) ?? 2;
    return { passage, distance: ofPassage + SENTENCE_SHARE * (best.get(query, passage) ?? ofPassage) };
  });
  distances.sort((a, b) => a.distance - b.distance || a.passage - b.passage);
  return distances.slice(0, DEPTH).map(({ passage }) => passage);
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

/** Per passage the share of the question's words that it holds, weighted by rarity as BM25 does. */
function coverageOf(database: Database, collection: number, words: readonly string[]): Map<number, number> {
  const held = new Map<number, number>();
  const total = database.prepare<[], number>(`SELECT count(*) FROM passage_vectors_${collection}`).pluck().get();
  const having = database
    .prepare<[string], number>(`SELECT rowid FROM words_${collection} WHERE words_${collection} MATCH ?`)
    .pluck();
  let all = 0;
  for (const word of words) {
    const passages = having.all(quoted(word));
    const rarity = Math.log(1 + ((total ?? 0) - passages.length + 0.5) / (passages.length + 0.5));
    all += rarity;
    for (const passage of passages) held.set(passage, (held.get(passage) ?? 0) + rarity);
  }
  for (const [passage, rarity] of held) held.set(passage, rarity / all);
  return held;
}
