/**
 * `document.extract`: the text of a PDF, DOCX, HTML, XLSX or text file, with its pages or sheets. Works offline.
 * The type comes from the content; a name or media type only distinguishes HTML from plain text.
 */
import type { CellValue } from 'read-excel-file/node';
import { asBytes, asMap, asOptionalText } from '../input.js';
import type { HandlersOf, TaskContext } from '../runtime.js';
import { damaged, tidy, titleOf, tooLarge } from './document-text.js';
import { type DocumentType, decodeText, documentTypeOf } from './document-type.js';
import { MAX_FILE_MIB, MAX_PDF_CHARACTERS, MAX_XML_MIB, type document as manifest } from './manifest.js';
import { unpackedXmlBytes } from './office-archive.js';
import { type DocumentPage, readPdf } from './pdf-text.js';

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

const MIB = 2 ** 20;

type Extract = (file: Uint8Array, context: TaskContext) => Promise<Omit<DocumentOutput, 'type'>>;

function extract(input: unknown, context: TaskContext): Promise<DocumentOutput> {
  const map = asMap(input, '{ file }');
  const file = asBytes(map.file, 'input.file');
  const name = asOptionalText(map.name, 'input.name');
  return extractDocument(file, { name, type: asOptionalText(map.type, 'input.type') }, context);
}

/**
 * Reads one file. Its type comes from its content, between forms of text from `hints`.
 * @throws TaskError for a file that is damaged, encrypted, too large or of a type that is not read
 */
export async function extractDocument(
  file: Uint8Array,
  hints: { readonly name?: string | undefined; readonly type?: string | undefined },
  context: TaskContext,
): Promise<DocumentOutput> {
  const type = documentTypeOf(file, hints.name, hints.type);
  assertReadable(type, file);
  return { type, ...(await EXTRACTORS[type](file, context)) };
}

/** Refuses what would pass the memory limit, before it is read. */
function assertReadable(type: DocumentType, file: Uint8Array): void {
  if (type === 'text' || type === 'html') {
    if (file.byteLength > MAX_FILE_MIB[type] * MIB) throw tooLarge(`${MAX_FILE_MIB[type]} MiB`, mib(file.byteLength));
  } else if (type === 'docx' || type === 'xlsx') {
    const xml = unpackedXmlBytes(file);
    if (xml === undefined) throw damaged('document', 'the directory of its archive cannot be read');
    if (xml > MAX_XML_MIB[type] * MIB) throw tooLarge(`${MAX_XML_MIB[type]} MiB of XML once unpacked`, mib(xml));
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
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

/** The library's type is `typeof Date`, its value a `Date`: at midnight UTC, unless the cell holds a time. */
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
  pdf: (file, context) => readPdf(file, context, MAX_PDF_CHARACTERS),
  docx: extractDocx,
  html: extractHtml,
  xlsx: extractXlsx,
  text: extractText,
};

export const handlers: HandlersOf<typeof manifest> = { 'document.extract': extract };
