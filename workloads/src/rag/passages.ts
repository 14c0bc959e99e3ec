/**
 * Cuts a document into passages: whole sentences, paragraphs kept together where they fit, a heading never parted from
 * what it heads, and a sentence of overlap where a paragraph had to be cut. Pure. Offsets count UTF-16 code units.
 */

/** A piece of a document that is found and cited as one. */
export interface Passage {
  readonly start: number;
  readonly end: number;
  /** The nearest heading above it, unless it begins with it. */
  readonly heading?: string;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Sentence extends Span {
  /** It opens a paragraph. */
  readonly opens: boolean;
  readonly heading: boolean;
}

/** A passage is closed at a paragraph's end from here on ... */
const ENOUGH_CHARACTERS = 600;
/** ... at a heading from here on: it opens another subject ... */
const ENOUGH_BEFORE_HEADING = 360;
/** ... and within a paragraph before it would grow beyond this. */
const MOST_CHARACTERS = 1_000;
/** A sentence without an end (a table, a list of words) is cut at a blank. */
const LONGEST_SENTENCE = 600;
const LONGEST_OVERLAP = 200;
const LONGEST_HEADING = 80;

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/** The passages of a text, in order; none for a text without a word. */
export function passagesOf(text: string): Passage[] {
  const passages: Passage[] = [];
  let open: Sentence[] = [];
  let heading: string | undefined;
  let headingOfOpen: string | undefined;
  const close = (): void => {
    const first = open[0];
    const last = open.at(-1);
    open = [];
    if (first === undefined || last === undefined) return;
    passages.push({
      start: first.start,
      end: last.end,
      ...(headingOfOpen === undefined ? {} : { heading: headingOfOpen }),
    });
  };
  for (const sentence of sentencesOf(text)) {
    const before = open.at(-1);
    const start = open[0]?.start ?? sentence.start;
    const tooLong = sentence.end - start > MOST_CHARACTERS;
    const endsParagraph = sentence.opens && before !== undefined && !before.heading;
    if (before !== undefined && !before.heading && tooLong) {
      const overlap = !sentence.opens && before.end - before.start <= LONGEST_OVERLAP && open.length > 1;
      close();
      if (overlap) open = [before];
    } else if (endsParagraph && before.end - start >= (sentence.heading ? ENOUGH_BEFORE_HEADING : ENOUGH_CHARACTERS))
      close();
    if (open.length === 0 || (open.length === 1 && open[0] === before)) headingOfOpen = heading;
    if (sentence.heading) heading = text.slice(sentence.start, sentence.end);
    open.push(sentence);
  }
  close();
  return passages;
}

/** The sentences of a stretch of a text, in order; headings are sentences, too. */
export function sentencesOf(text: string): Sentence[] {
  return paragraphsOf(text).flatMap((paragraph) => {
    const heading = isHeading(text.slice(paragraph.start, paragraph.end));
    const spans = heading ? [paragraph] : splitParagraph(text, paragraph);
    return spans.map((span, index) => ({ ...span, heading, opens: index === 0 }));
  });
}

/** Stretches between empty lines; a line that reads like a heading stands alone. */
function paragraphsOf(text: string): Span[] {
  const paragraphs: Span[] = [];
  for (const block of text.matchAll(/\S(?:[^\n]|\n(?!\s*\n))*/g)) {
    const lines = block[0].split('\n');
    const first = lines[0] ?? '';
    const headed = lines.length > 1 && isHeading(first);
    if (headed) push(paragraphs, text, block.index, block.index + first.length);
    push(paragraphs, text, block.index + (headed ? first.length : 0), block.index + block[0].length);
  }
  return paragraphs;
}

function splitParagraph(text: string, { start, end }: Span): Span[] {
  const spans: Span[] = [];
  for (const { segment, index } of sentences.segment(text.slice(start, end))) {
    let from = start + index;
    const to = from + segment.length;
    while (to - from > LONGEST_SENTENCE) {
      const blank = text.slice(from, from + LONGEST_SENTENCE).search(/\s\S*$/);
      const cut = from + (blank > 0 ? blank : LONGEST_SENTENCE);
      push(spans, text, from, cut);
      from = cut;
    }
    push(spans, text, from, to);
  }
  return spans;
}

/** Without the blanks at its ends; nothing for blanks alone. */
function push(spans: Span[], text: string, start: number, end: number): void {
  const piece = text.slice(start, end);
  const trimmed = piece.trim();
  if (trimmed === '') return;
  const from = start + piece.indexOf(trimmed);
  spans.push({ start: from, end: from + trimmed.length });
}

/** A short line that ends like no sentence, or that Markdown marks as one. */
function isHeading(text: string): boolean {
  if (text.length > LONGEST_HEADING || text.includes('\n')) return false;
  return /^#{1,6}\s/.test(text) || (/\p{L}/u.test(text) && !/[.!?:;,…"”')\]]$/.test(text) && !/^[-*•|]/.test(text));
}
