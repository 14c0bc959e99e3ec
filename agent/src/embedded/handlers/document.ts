/**
 * `document.extract`: the text of a PDF, DOCX, HTML, XLSX or text file, with its pages or sheets. Works offline.
 * The type comes from the content; a name or media type only helps to tell HTML from plain text.
 */
import type { CellValue } from 'read-excel-file/node';
import { type Handler, type TaskContext, TaskError } from '../../runtime/runtime.js';
import { type DocumentType, decodeText, documentTypeOf } from '../document-type.js';
import { asBytes, asMap, asOptionalText } from '../input.js';

export interface DocumentPage {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

export interface DocumentSheet {
  readonly name: string;
  /** Dates as ISO 8601; an empty cell is null. */
  readonly rows: readonly (readonly (string | number | boolean | null)[])[];
}

/** What `document.extract` answers. */
export interface DocumentOutput {
  readonly type: DocumentType;
  readonly text: string;
  readonly title?: string;
  readonly pages?: readonly DocumentPage[];
  readonly sheets?: readonly DocumentSheet[];
}

type Extract = (file: Uint8Array, context: TaskContext) => Promise<Omit<DocumentOutput, 'type'>>;

async function extract(input: unknown, context: TaskContext): Promise<DocumentOutput> {
  const map = asMap(input, '{ file }');
  const file = asBytes(map.file, 'input.file');
  const name = asOptionalText(map.name, 'input.name');
  const type = documentTypeOf(file, name, asOptionalText(map.type, 'input.type'));
  return { type, ...(await EXTRACTORS[type](file, context)) };
}

const extractPdf: Extract = async (file, context) => {
  const { getDocumentProxy } = await import('unpdf');
  const pdf = await getDocumentProxy(file, { verbosity: 0 }).catch((error: unknown) => {
    throw pdfFailure(error);
  });
  try {
    const pages: DocumentPage[] = [];
    for (let number = 1; number <= pdf.numPages; number += 1) {
      context.signal.throwIfAborted();
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      const text = items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
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
    if (context.signal.aborted) throw error;
    throw pdfFailure(error);
  } finally {
    await pdf.loadingTask.destroy();
  }
};

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

function damaged(what: string, error: unknown): TaskError {
  const why = error instanceof Error ? error.message : String(error);
  return new TaskError(
    'input.damaged',
    `input.file: the ${what} is damaged (${why}). Export it again, or send the whole file.`,
  );
}

const extractDocx: Extract = async (file) => {
  const mammoth = (await import('mammoth')).default;
  const { value } = await mammoth.extractRawText({ buffer: Buffer.from(file.buffer) }).catch((error: unknown) => {
    throw damaged('Word document', error);
  });
  return { text: tidy(value) };
};

const extractXlsx: Extract = async (file) => {
  const { default: readXlsxFile } = await import('read-excel-file/node');
  const read = await readXlsxFile(Buffer.from(file.buffer)).catch((error: unknown) => {
    throw damaged('Excel workbook', error);
  });
  const sheets = read.map(({ sheet, data }) => ({ name: sheet, rows: data.map((row) => row.map(plainCell)) }));
  const text = sheets.map(({ name, rows }) =>
    [
      name,
      ...rows.map((row) =>
        row
          .map((cell) => cell ?? '')
          .join('\t')
          .trimEnd(),
      ),
    ].join('\n'),
  );
  return { text: text.join('\n\n'), sheets };
};

/** The library's type says `typeof Date`; what it delivers is a `Date` at midnight UTC, unless the cell holds a time. */
function plainCell(cell: CellValue | null): string | number | boolean | null {
  if (typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean') return cell;
  const value: unknown = cell;
  if (!(value instanceof Date)) return null;
  return value.toISOString().replace(/T00:00:00\.000Z$/, '');
}

const extractHtml: Extract = async (file) => {
  const { convert } = await import('html-to-text');
  const head = Buffer.from(file.subarray(0, 2_048)).toString('latin1');
  const html = decodeText(file, /<meta[^>]+charset=["']?([\w-]+)/i.exec(head)?.[1]) ?? '';
  const text = convert(html, {
    wordwrap: false,
    selectors: [
      { selector: 'a', options: { ignoreHref: true } },
      { selector: 'img', format: 'skip' },
      ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
      { selector: 'table', format: 'dataTable', options: { uppercaseHeaderCells: false } },
    ],
  });
  const title = /<title[^>]*>([\s\S]*?)<\/title>/i.exec(html)?.[1];
  return { text: tidy(text), ...titleOf(title === undefined ? undefined : convert(title, { wordwrap: false })) };
};

const extractText: Extract = async (file) => ({ text: tidy(decodeText(file) ?? '') });

const EXTRACTORS: Readonly<Record<DocumentType, Extract>> = {
  pdf: extractPdf,
  docx: extractDocx,
  html: extractHtml,
  xlsx: extractXlsx,
  text: extractText,
};

function titleOf(title: unknown): { title?: string } {
  return typeof title === 'string' && title.trim() !== '' ? { title: title.replace(/\s+/g, ' ').trim() } : {};
}

/** One kind of line end, no blanks at the ends of lines, no more than one empty line in a row. */
function tidy(text: string): string {
  const lines = text.split(/\r\n?|\n/).map((line) => line.trimEnd());
  return lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

export const handlers: Readonly<Record<string, Handler>> = { 'document.extract': extract };
