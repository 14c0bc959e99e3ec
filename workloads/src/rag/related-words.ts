/**
 * Words of the same, a wider, a narrower or a similar meaning, by WordNet: a document may use them where the question uses
 * another. "Cancel" leads to "call off", "lorry" to "truck", "rooster" to "cock".
 */
import { baseFormsOf } from './base-forms.js';
import { isCommon } from './question.js';
import { meaningAt, type Pointer, type Sense, sensesOf } from './wordnet.js';

/**
 * What a related word counts beside the word itself. Chosen with the questions in tests/workloads/rag/tuning, of several
 * sets; half of each, or all alike, find nearly the same.
 */
const BASE_FORM = 0.95;
const SAME = 0.8;
const DERIVED = 0.7;
const SIMILAR = 0.6;
const NARROWER = 0.5;
const WIDER = 0.4;
/** Of one step, for the second. */
const SECOND_STEP = 0.7;
/** A rare meaning counts less than a common one: by its share of the word's uses to this power. */
const RARE_MEANING = 0.35;
const SHARE_OF_POINTER: Readonly<Record<string, number>> = {
  '&': SIMILAR,
  '^': SIMILAR,
  $: SIMILAR,
  '+': DERIVED,
  '\\': DERIVED,
  '@': WIDER,
  '@i': WIDER,
  '*': WIDER,
  '>': WIDER,
  '~': NARROWER,
  '~i': NARROWER,
};
/** Of the pointers from a meaning's neighbour, those that go on in the same direction. */
const FURTHER: Readonly<Record<string, readonly string[]>> = { '&': ['&'], '~': ['~', '~i'], '~i': ['~', '~i'] };
/** The nearest; "person" has thousands below it, and each is looked up in the text index. */
const MOST_WORDS = 100;
/** So general that they are near anything; they stand in every text. */
const GENERAL = new Set(
  `again all also come each every first give go here keep lot make more most much new no nor off one only other out over
  people put same set still take there thing things three time two use way yet`.split(/\s+/),
);

/** Related words with what each counts beside the word itself (0 to 1), the nearest first. */
export function relatedTo(word: string): Map<string, number> {
  const related = new Map<string, number>();
  const put = (other: string, share: number): void => {
    if (other !== word && (related.get(other) ?? 0) < share) related.set(other, share);
  };
  for (const [form, senses] of listedForms(word)) {
    put(form, BASE_FORM);
    const met = senses.reduce((sum, sense) => sum + sense.met + 1, 0);
    for (const sense of senses) putMeaning(sense, ((sense.met + 1) / met) ** RARE_MEANING, put);
  }
  const nearest = [...related].filter(([other]) => other.length > 2 && !isCommon(other) && !GENERAL.has(other));
  return new Map(nearest.sort((a, b) => b[1] - a[1]).slice(0, MOST_WORDS));
}

function listedForms(word: string): Map<string, Sense[]> {
  const listed = new Map<string, Sense[]>();
  for (const { form, part } of baseFormsOf(word)) {
    if (listed.has(form)) continue;
    const senses = sensesOf(form);
    if (senses.some((sense) => part === undefined || sense.part === part)) listed.set(form, senses);
  }
  return listed;
}

function putMeaning(sense: Sense, weight: number, put: (word: string, share: number) => void): void {
  const { words, pointers } = meaningAt(sense);
  for (const word of words) put(word, SAME * weight);
  for (const pointer of pointers) {
    const share = (SHARE_OF_POINTER[pointer.symbol] ?? 0) * weight;
    if (share === 0) continue;
    const next = meaningAt(pointer);
    for (const word of next.words) put(word, share);
    for (const further of furtherFrom(pointer, next.pointers)) {
      for (const word of meaningAt(further).words) put(word, share * SECOND_STEP);
    }
  }
}

function furtherFrom({ symbol }: Pointer, pointers: readonly Pointer[]): Pointer[] {
  const onward = FURTHER[symbol];
  return onward === undefined ? [] : pointers.filter((pointer) => onward.includes(pointer.symbol));
}
