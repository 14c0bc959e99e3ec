/**
 * Which kind of document a file is: its content first, then its name or declared type. What cannot be read is refused
 * with what to do instead.
 */

import { readImageHeader } from '../ocr/image-header.js';
import { TaskError } from '../runtime.js';

export type DocumentType = 'pdf' | 'docx' | 'html' | 'xlsx' | 'text';

const HTML_NAME = /\.x?html?$/i;
const HTML_START =
  /^\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|body|title|meta|div|p|h1|table|article|section)\b/i;
const COMMENT = /<!--[\s\S]*?-->/g;
const START_LENGTH = 4_096;
/** A PDF's header may follow other bytes, such as a mail server's; readers search this far. */
const PDF_WITHIN = 1_024;
/** Control characters that no text file holds: all but tab, line feed, form feed, carriage return, escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BINARY = /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/;

/** The type of a document; `name` and `type` (a media type) decide only between forms of text. */
export function documentTypeOf(file: Uint8Array, name?: string, type?: string): DocumentType {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const start = bytes.toString('latin1', 0, PDF_WITHIN);
  if (start.includes('%PDF-')) return 'pdf';
  if (start.startsWith('PK\x03\x04')) return officeTypeOf(bytes);
  if (start.startsWith('\xd0\xcf\x11\xe0')) throw compoundFile(bytes);
  if (start.startsWith('{\\rtf')) throw unsupported('an RTF file', 'save it as .docx');
  const image = readImageHeader(file);
  if (image !== undefined || /^(GIF8|II\*\0|MM\0\*)/.test(start)) throw unsupported('an image', 'send it to ocr.read');
  const text = decodeText(file);
  if (text === undefined)
    throw unsupported('a binary file of unknown type', 'send a PDF, DOCX, XLSX, HTML or text file');
  const named = (name !== undefined && HTML_NAME.test(name)) || (type !== undefined && /html/i.test(type));
  return named || HTML_START.test(text.slice(0, START_LENGTH).replace(COMMENT, '')) ? 'html' : 'text';
}

/** The names of a ZIP's entries stand uncompressed in its directory, which is at the end: a cut file has none. */
function officeTypeOf(bytes: Buffer): DocumentType {
  if (bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1') < 0) {
    throw new TaskError(
      'input.damaged',
      'input.file: the document is cut off (its directory is missing). Send the whole file.',
    );
  }
  if (bytes.includes('word/document.xml') || bytes.includes('word/document2.xml')) return 'docx';
  if (bytes.includes('xl/workbook.xml')) return 'xlsx';
  if (bytes.includes('xl/workbook.bin')) throw unsupported('a binary Excel workbook (.xlsb)', 'save it as .xlsx');
  if (bytes.includes('ppt/presentation.xml')) throw unsupported('a PowerPoint file', 'export it as PDF');
  if (bytes.includes('opendocument')) throw unsupported('an OpenDocument file', 'save it as .docx or .xlsx');
  throw unsupported('a ZIP archive', 'unpack it and send the documents in it');
}

/** Word and Excel before 2007, and every encrypted Office file, are OLE compound files. */
function compoundFile(bytes: Buffer): TaskError {
  if (bytes.includes(Buffer.from('EncryptedPackage', 'utf16le'))) {
    return new TaskError(
      'input.encrypted',
      'input.file: the Office document is encrypted. Save it without a password and send it again.',
    );
  }
  return unsupported('an Office file of the old format (.doc, .xls)', 'save it as .docx or .xlsx');
}

function unsupported(what: string, advice: string): TaskError {
  return new TaskError(
    'input.unsupported',
    `input.file: this is ${what}, which document.extract does not read; ${advice}.`,
  );
}

/** Text by its byte order mark, as UTF-8, or else as Windows-1252; undefined where it is no text. */
export function decodeText(file: Uint8Array, encoding?: string): string | undefined {
  const declared = encoding === undefined ? undefined : decodeWith(file, encoding);
  if (declared !== undefined) return declared;
  if (file[0] === 0xff && file[1] === 0xfe) return decodeWith(file, 'utf-16le');
  if (file[0] === 0xfe && file[1] === 0xff) return decodeWith(file, 'utf-16be');
  const text = decodeWith(file, 'utf-8') ?? decodeWith(file, 'windows-1252');
  return text === undefined || BINARY.test(text) ? undefined : text;
}

function decodeWith(file: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(file);
  } catch (error) {
    // Both mean "not this encoding": a RangeError for a name that does not exist, a TypeError for bytes that it lacks.
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}
