/**
 * A document made ready for the index: its passages with their vectors. A passage is embedded together with its title and
 * heading, which resolve its pronouns; each of its sentences is embedded alone too, as a question is mostly about one.
 */
import { createHash } from 'node:crypto';
import { EMBEDDING_MODEL, type EmbeddingRun, embedTexts } from '../embed/embedding.js';
import { MAX_EMBEDDED_CHARACTERS } from '../embed/manifest.js';
import { type Passage, passagesOf, sentencesOf } from './passages.js';

/** A document as it was sent, its file read. */
export interface SourceDocument {
  readonly key: string;
  readonly title: string;
  readonly text: string;
  /** JSON, or null. */
  readonly metadata: string | null;
}

export interface IndexedPassage extends Passage {
  readonly text: string;
  readonly vector: readonly number[];
  readonly sentenceVectors: readonly (readonly number[])[];
}

export interface IndexedDocument extends SourceDocument {
  readonly hash: string;
  readonly passages: readonly IndexedPassage[];
}

/** A change of how documents are cut or embedded changes this, so that they are indexed anew when sent again. */
const INDEXING = `1 ${EMBEDDING_MODEL}`;

/** Equal hashes: the index holds the document as it is. */
export function hashOf({ title, text, metadata }: SourceDocument): string {
  return createHash('sha256')
    .update(JSON.stringify([INDEXING, title, text, metadata]))
    .digest('base64url');
}

/** Cuts and embeds a document; the work of `rag.ingest`. */
export async function indexDocument(document: SourceDocument, run: EmbeddingRun): Promise<IndexedDocument> {
  const passages = passagesOf(document.text).map((passage) => {
    const text = document.text.slice(passage.start, passage.end);
    return { ...passage, text, sentences: embeddedSentences(text) };
  });
  const texts = passages.flatMap(({ heading, text, sentences }) => [
    [document.title, heading, text].filter((part) => part !== undefined && part !== '').join('. '),
    ...sentences,
  ]);
  const vectors = await embedTexts(
    texts.map((text) => text.slice(0, MAX_EMBEDDED_CHARACTERS)),
    run,
  );
  let at = 0;
  const indexed = passages.map(({ sentences, ...passage }) => {
    const [vector = [], ...sentenceVectors] = vectors.slice(at, at + 1 + sentences.length);
    at += 1 + sentences.length;
    return { ...passage, vector, sentenceVectors };
  });
  return { ...document, hash: hashOf(document), passages: indexed };
}

/** Without headings, which mean little alone; a passage that is only a heading is embedded as a whole. */
function embeddedSentences(text: string): string[] {
  return sentencesOf(text)
    .filter(({ heading }) => !heading)
    .map(({ start, end }) => text.slice(start, end));
}
