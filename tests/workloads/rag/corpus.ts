/** A folder of documents with questions about them, and how well `rag.query` finds the passages that answer them. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FoundPassage, QueryOutput } from '@rma/workloads/rag/handlers';
import type { Harness } from '../host/runtime-harness.js';

export interface Question {
  readonly question: string;
  /** The document's file name, with or without its extension. */
  readonly document: string;
  /** A stretch of the document that answers the question. */
  readonly passage: string;
  /** It is put in other words than the document's. */
  readonly paraphrase?: boolean;
}

export interface Corpus {
  readonly documents: readonly { readonly id: string; readonly title: string; readonly text: string }[];
  readonly questions: readonly Question[];
}

/** Reads a folder beside this file. */
export function readCorpus(name: string): Corpus {
  const folder = fileURLToPath(new URL(`./${name}/`, import.meta.url));
  const documents = readdirSync(`${folder}documents`)
    .sort()
    .map((file) => {
      const text = readFileSync(`${folder}documents/${file}`, 'utf8');
      return {
        id: parse(file).name,
        title:
          text
            .trim()
            .split('\n')[0]
            ?.replace(/^#+\s*/, '') ?? '',
        text,
      };
    });
  return { documents, questions: JSON.parse(readFileSync(`${folder}questions.json`, 'utf8')) as Question[] };
}

/** Where the right passage stands in the answer, from 1; 0 where it is not there. */
export function rankOf({ document, passage }: Question, found: readonly FoundPassage[]): number {
  const wanted = flat(passage);
  return (
    found.findIndex(
      (candidate) => candidate.document === parse(document).name && flat(candidate.text).includes(wanted),
    ) + 1
  );
}

/** Line ends differ between a file and a quotation from it. */
function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** The rank of each question's passage. */
export async function ranksOf(harness: Harness, collection: string, questions: readonly Question[]): Promise<number[]> {
  const ranks: number[] = [];
  for (const question of questions) {
    const input = { collection, question: question.question, topK: 10, answer: false };
    const { passages } = (await harness.output('rag.query', input)) as QueryOutput;
    ranks.push(rankOf(question, passages));
  }
  return ranks;
}
