/** What is too large for `document.extract` and `text.embed` is refused in words, before it can cost the process its life. */
import { handlers as documents } from '@rma/workloads/document/handlers';
import { unpackedXmlBytes } from '@rma/workloads/document/office-archive';
import { readPdf } from '@rma/workloads/document/pdf-text';
import { handlers as embedding } from '@rma/workloads/embed/handlers';
import { expect, it } from 'vitest';
import { refusal } from '../host/call-handler.js';
import { makePdf, makeZip } from './document-files.js';

const extract = documents['document.extract'];
const MIB = 2 ** 20;

it.each([
  ['a Word document', 'word/document.xml', 13, 'at most 12 MiB of XML once unpacked, got 13.0 MiB'],
  ['an Excel workbook', 'xl/workbook.xml', 65, 'at most 64 MiB of XML once unpacked, got 65.0 MiB'],
])('refuses %s by what it unpacks to, however small the file', async (_what, part, mebibytes, message) => {
  const file = makeZip({ [part]: ' '.repeat(mebibytes * MIB) });
  expect(file.byteLength).toBeLessThan(MIB);
  expect(await refusal(extract, { file })).toBe(
    `input.invalid: input.file: expected ${message}; split it into several documents`,
  );
});

it.each([
  ['a text', 'a\n'.repeat(10.5 * MIB), 'at most 20 MiB, got 21.0 MiB'],
  ['a web page', `<p>${'a'.repeat(10 * MIB)}`, 'at most 10 MiB, got 10.0 MiB'],
])('refuses %s that is too large', async (_what, text, message) => {
  expect(await refusal(extract, { file: new Uint8Array(Buffer.from(text)) })).toContain(`expected ${message}; split`);
});

it('stops reading a PDF whose pages hold too much text, and says at which page', async () => {
  const file = makePdf(9, ['The quick brown fox', 'jumps over the lazy dog']);
  const context = { signal: new AbortController().signal, chunk: () => undefined, progress: () => undefined };
  const { pages } = await readPdf(file.slice(), context, 20_000_000);
  expect(pages).toHaveLength(9);
  await expect(readPdf(file.slice(), context, 250)).rejects.toThrow(
    'input.file: expected at most 250 characters of text, got more by page 6 of 9; split it into several documents',
  );
});

it('reads the size of a document of several parts, and nothing out of a damaged directory', async () => {
  const file = makeZip({
    'word/document.xml': 'a'.repeat(1_000),
    'word/footnotes.xml': 'b'.repeat(500),
    'word/media/image1.png': 'c'.repeat(9_000),
  });
  expect(unpackedXmlBytes(file)).toBe(1_500);
  const damaged = Uint8Array.from(file);
  const end = Buffer.from(damaged.buffer).lastIndexOf('PK\x05\x06', undefined, 'latin1');
  Buffer.from(damaged.buffer).writeUInt32LE(file.byteLength - 3, end + 16);
  expect(unpackedXmlBytes(damaged)).toBeUndefined();
  expect(await refusal(extract, { file: damaged })).toMatch(/^input\.damaged: .*directory of its archive/);
});

it('refuses texts to embed that are too long together', async () => {
  const texts = Array.from({ length: 200 }, () => 'word '.repeat(2_400));
  expect(await refusal(embedding['text.embed'], { texts })).toBe(
    'input.invalid: input.texts: expected at most 2000000 characters in all, got 2400000; split them into several tasks',
  );
});
