/**
 * The text as the finders see it: as long as the given one, so that offsets hold, with curly quotes straightened and
 * with a line end inside running prose as a space. A line end after a short line (an address, a heading) stays, so
 * that no name runs across it.
 */

/** Shorter lines end because something ends there, longer ones because the page does. */
const WRAPPED_FROM = 40;

/** The masked text; same length in UTF-16 units. */
export function mask(text: string): string {
  const straight = text
    .replace(/[\u2018\u2019\u201b\u02bc]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/[\u00a0\u2007\u2009\u202f\t]/g, ' ')
    .replace(/[\u2010\u2011]/g, '-');
  let masked = '';
  let lineStart = 0;
  for (let end = straight.indexOf('\n'); end >= 0; end = straight.indexOf('\n', lineStart)) {
    const line = straight.slice(lineStart, end);
    const nextIsProse = /^[ \r]*[\p{L}\p{N}£€$("']/u.test(straight.slice(end + 1, end + 20));
    const wrapped = line.trimEnd().length >= WRAPPED_FROM && nextIsProse;
    masked += wrapped ? `${line.replace(/\r$/, ' ')} ` : `${line}\n`;
    lineStart = end + 1;
  }
  return masked + straight.slice(lineStart);
}

/** Pieces of about a paragraph, cut at empty lines or line ends, so that work can pause between them. */
export function* paragraphs(
  masked: string,
  aboutLength: number,
): Generator<{ readonly offset: number; readonly text: string }> {
  let offset = 0;
  while (offset < masked.length) {
    let end = offset + aboutLength;
    if (end < masked.length) {
      const empty = masked.lastIndexOf('\n\n', end);
      const line = masked.lastIndexOf('\n', end);
      const sentence = masked.lastIndexOf('. ', end);
      const cut = [empty, line, sentence, masked.lastIndexOf(' ', end)].find((at) => at > offset + aboutLength / 4);
      end = cut === undefined ? end : cut + 1;
    }
    yield { offset, text: masked.slice(offset, end) };
    offset = end;
  }
}
