/** The words by which a document may say what a question says in another. */
import { baseFormsOf } from '@rma/workloads/rag/base-forms';
import { fuse } from '@rma/workloads/rag/fusion';
import { relatedTo } from '@rma/workloads/rag/related-words';
import { sensesOf } from '@rma/workloads/rag/wordnet';
import { describe, expect, it } from 'vitest';

describe('related words', () => {
  it('knows words of the same meaning, among them those of several words', () => {
    expect([...relatedTo('cancel').keys()]).toContain('call off');
    expect([...relatedTo('lorry').keys()]).toContain('truck');
  });

  it('knows a kind of what a word means, and what it is a kind of', () => {
    const related = relatedTo('rooster');
    expect([...related.keys()]).toEqual(expect.arrayContaining(['cock', 'cockerel', 'chicken']));
    expect(related.get('cock')).toBeGreaterThan(related.get('cockerel') ?? 1);
    expect(related.get('cockerel')).toBeGreaterThan(related.get('chicken') ?? 1);
  });

  it('finds a word under its base form', () => {
    expect([...relatedTo('stolen').keys()]).toEqual(expect.arrayContaining(['steal', 'theft']));
    expect(baseFormsOf('cancelled').map(({ form }) => form)).toContain('cancel');
  });

  it('keeps to a hundred, without words that stand in every text', () => {
    const related = relatedTo('person');
    expect(related.size).toBe(100);
    expect([...relatedTo('departs').keys()]).not.toContain('go');
    for (const share of related.values()) expect(share).toBeLessThanOrEqual(0.95);
  });

  it('knows nothing of what is in no dictionary', () => {
    for (const word of ['zzyzx', 'e7', 'größe', '', '%', 'aardvar', 'zzz']) expect(relatedTo(word).size).toBe(0);
  });

  it('finds the first and the last word of the dictionary', () => {
    expect(sensesOf("'hood").length).toBeGreaterThan(0);
    expect(sensesOf('zymurgy').length).toBeGreaterThan(0);
    expect(sensesOf('zymurg')).toEqual([]);
  });
});

describe('fusion', () => {
  it('lets a near passage win over one that holds some of the words, and words decide between equals', () => {
    const fused = fuse([
      { passage: 1, similarity: 0.2, sentenceSimilarity: 0.2, coverage: 0.5 },
      { passage: 2, similarity: 0.6, sentenceSimilarity: 0.5, coverage: 0 },
      { passage: 3, similarity: 0.6, sentenceSimilarity: 0.5, coverage: 0.3, textRank: 1 },
    ]);
    expect(fused.map(({ passage }) => passage)).toEqual([3, 2, 1]);
    expect(fused.map(({ vectorRank }) => vectorRank)).toEqual([2, 1, 3]);
  });
});
