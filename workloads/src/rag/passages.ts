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

/** No passage grows beyond this, unless the caller has another limit. */
const MOST_CHARACTERS = 1_000;
/** Shares of that limit: a passage is closed at a paragraph's end from here on ... */
const ENOUGH = 0.6;
/** ... and at a heading from here on: it opens another subject. */
const ENOUGH_BEFORE_HEADING = 0.36;
const LONGEST_OVERLAP = 0.2;
/** A sentence without an end (a table, a list of words) is cut at a blank. */
const LONGEST_SENTENCE = 600;
const LONGEST_HEADING = 80;
/** The segmenter's time grows faster than the text: 100,000 characters take 0.4 s, 150,000 take 12 s. */
const SEGMENTED_AT_ONCE = 10_000;

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/** The passages of a text, in order, of at most `most` characters (100 or more) each; none for blanks alone. */
export function passagesOf(text: string, most = MOST_CHARACTERS): Passage[] {
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
  for (const sentence of sentencesOf(text, Math.min(most, LONGEST_SENTENCE))) {
    const before = open.at(-1);
    const start = open[0]?.start ?? sentence.start;
    const tooLong = sentence.end - start > most;
    const endsParagraph = sentence.opens && before !== undefined && !before.heading;
    if (before !== undefined && tooLong) {
      const overlap = !sentence.opens && before.end - before.start <= LONGEST_OVERLAP * most && open.length > 1;
      const carried = (before.heading || overlap) && sentence.end - before.start <= most;
      if (carried && before.heading) open.pop();
      close();
      if (carried) open = [before];
    } else if (endsParagraph && before.end - start >= most * (sentence.heading ? ENOUGH_BEFORE_HEADING : ENOUGH))
      close();
    if (open.length === 0 || (open.length === 1 && open[0] === before)) headingOfOpen = heading;
    if (sentence.heading) heading = text.slice(sentence.start, sentence.end);
    open.push(sentence);
  }
  close();
  return passages;
}

/** The sentences of a stretch of a text, in order, cut where longer than `longest`; headings are sentences, too. */
export function sentencesOf(text: string, longest = LONGEST_SENTENCE): Sentence[] {
  return paragraphsOf(text).flatMap((paragraph) => {
    const heading = isHeading(text.slice(paragraph.start, paragraph.end));
    const spans = heading ? [paragraph] : splitParagraph(text, paragraph, longest);
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

function splitParagraph(text: string, paragraph: Span, longest: number): Span[] {
  const spans: Span[] = [];
  for (let { start: from, end: to } of segmentsOf(text, paragraph)) {
    while (to - from > longest) {
      const blank = text.slice(from, from + longest).search(/\s\S*$/);
      const cut = blank > 0 ? from + blank : betweenCharacters(text, from + longest);
      push(spans, text, from, cut);
      from = cut;
    }
    push(spans, text, from, to);
  }
  return spans;
}

/** What the segmenter makes of a paragraph, window by window: each begins where the last whole sentence ended. */
function* segmentsOf(text: string, { start, end }: Span): Generator<Span> {
  let from = start;
  while (from < end) {
    const to = end - from <= SEGMENTED_AT_ONCE ? end : betweenCharacters(text, from + SEGMENTED_AT_ONCE);
    const starts = Array.from(sentences.segment(text.slice(from, to)), ({ index }) => index);
    // The last one may go on beyond the window.
    const whole = to < end && starts.length > 1 ? starts.length - 1 : starts.length;
    const base = from;
    for (let n = 0; n < whole; n += 1) {
      const next = starts[n + 1];
      const stop = next === undefined ? to : base + next;
      yield { start: from, end: stop };
      from = stop;
    }
  }
}

/** Never between the two halves of a character. */
function betweenCharacters(text: string, at: number): number {
  return /[\uDC00-\uDFFF]/.test(text.charAt(at)) && /[\uD800-\uDBFF]/.test(text.charAt(at - 1)) ? at - 1 : at;
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
