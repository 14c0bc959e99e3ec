/** The text of a PDF, page by page, by unpdf. */
import { fileURLToPath } from 'node:url';
import { type TaskContext, TaskError } from '../runtime.js';
import { damaged, tidy, titleOf, tooLarge } from './document-text.js';

export interface DocumentPage {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** The text of a PDF. */
export interface PdfText {
  readonly text: string;
  readonly pages: readonly DocumentPage[];
  readonly title?: string;
}

/**
 * Character maps for Chinese, Japanese and Korean fonts that do not embed their own; the build puts them beside the
 * compiled code. pdf.js needs slashes on Windows, too.
 */
const CHARACTER_MAPS = fileURLToPath(new URL('../cmaps/', import.meta.url)).replaceAll('\\', '/');

/** The text of each page, up to so many characters in all. */
export async function readPdf(file: Uint8Array, context: TaskContext, maxCharacters: number): Promise<PdfText> {
  const { getDocumentProxy } = await import('unpdf');
  const pdf = await getDocumentProxy(file, { verbosity: 0, cMapUrl: CHARACTER_MAPS, cMapPacked: true }).catch(
    (error: unknown) => {
      throw pdfFailure(error);
    },
  );
  try {
    const pages: DocumentPage[] = [];
    let characters = 0;
    for (let number = 1; number <= pdf.numPages; number += 1) {
      context.signal.throwIfAborted();
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      const text = items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
      characters += text.length;
      if (characters > maxCharacters)
        throw tooLarge(`${maxCharacters} characters of text`, `more by page ${number} of ${pdf.numPages}`);
      pages.push({ number, text: tidy(text) });
      page.cleanup();
      context.progress(number / pdf.numPages);
    }
    const text = pages
      .map((page) => page.text)
      .join('\n\n')
      .trim();
    if (text === '')
      context.progress(1, 'no text in this PDF: it is probably a scan; render its pages and send them to ocr.read');
    const { info } = await pdf.getMetadata();
    const title = titleOf('Title' in info ? info.Title : undefined);
    return { text, pages, ...title };
  } catch (error) {
    if (context.signal.aborted || error instanceof TaskError) throw error;
    throw pdfFailure(error);
  } finally {
    await pdf.loadingTask.destroy();
  }
}

function pdfFailure(error: unknown): TaskError {
  const name = error instanceof Error ? error.name : '';
  if (name === 'PasswordException') {
    return new TaskError(
      'input.encrypted',
      'input.file: the PDF is encrypted. Save it without a password and send it again.',
    );
  }
  return damaged('PDF', error);
}
