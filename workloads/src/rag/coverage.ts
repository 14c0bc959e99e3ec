/**
 * How much of a question each passage of a collection holds: word by word, the word itself or a related one, weighted by
 * rarity as BM25 does. For questions that are put in other words than the document's.
 */
import type { Database } from '../storage/sqlite.js';
import { quoted } from './question.js';
import { relatedTo } from './related-words.js';

/** Per passage that holds some of it, the share of the question's words: 0 to 1. */
export function coverageOf(database: Database, collection: number, words: readonly string[]): Map<number, number> {
  const passages =
    database.prepare<[], number>(`SELECT count(*) FROM passage_vectors_${collection}`).pluck().get() ?? 0;
  const having = database
    .prepare<[string], number>(`SELECT rowid FROM words_${collection} WHERE words_${collection} MATCH ?`)
    .pluck();
  const rarityOf = (holders: number): number => Math.log(1 + (passages - holders + 0.5) / (holders + 0.5));
  const covered = new Map<number, number>();
  let all = 0;
  for (const word of words) {
    const exact = having.all(quoted(word));
    const rarity = rarityOf(exact.length);
    all += rarity;
    const best = new Map(exact.map((passage) => [passage, rarity]));
    for (const [related, share] of relatedTo(word)) {
      const holders = having.all(quoted(related));
      // A word of every passage does not distinguish any.
      if (holders.length === 0 || holders.length >= passages) continue;
      const worth = share * Math.min(rarity, rarityOf(holders.length));
      for (const passage of holders) if ((best.get(passage) ?? 0) < worth) best.set(passage, worth);
    }
    for (const [passage, worth] of best) covered.set(passage, (covered.get(passage) ?? 0) + worth);
  }
  for (const [passage, worth] of covered) covered.set(passage, worth / all);
  return covered;
}
