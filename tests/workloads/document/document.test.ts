/** `document.extract` on real files, in a process of its own, as the agent runs it. */
import type { DocumentOutput } from '@rma/workloads/document/handlers';
import { describe, expect, it } from 'vitest';
import { bytesOfFile, fixture, sample, useWorkloads } from '../host/runtime-harness.js';
import { makeAsianPdf } from './document-files.js';

const agent = useWorkloads('document');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

describe('document.extract', () => {
  const extract = async (input: object): Promise<DocumentOutput> =>
    (await agent.output('document.extract', input)) as DocumentOutput;

  it('reads the pages of a PDF', async () => {
    const { type, text, pages, title } = await extract({ file: bytesOfFile(sample('letter.pdf')) });
    expect([type, title]).toEqual(['pdf', 'Letter to Mrs Whitfield']);
    expect(pages?.map((page) => page.number)).toEqual([1, 2]);
    expect(pages?.[0]?.text).toContain('Dear Mrs Whitfield,');
    expect(pages?.[1]?.text).toContain('Balance due to the seller on 12 April 2024: £312,750.00');
    expect(text).toBe(pages?.map((page) => page.text).join('\n\n'));
  });

  it.each([
    ['Japanese', '90ms-RKSJ-H', 'Japan1', [0x90, 0xbf, 0x8b, 0x81, 0x8f, 0x91], '請求書'],
    ['Chinese', 'UniGB-UCS2-H', 'GB1', [0x53, 0xd1, 0x79, 0x68], '发票'],
    ['Korean', 'KSCms-UHC-H', 'Korea1', [0xc7, 0xd1, 0xb1, 0xdb], '한글'],
  ])('reads a %s PDF whose font is not in it', async (_, encoding, ordering, codes, text) => {
    const pdf = makeAsianPdf(encoding, ordering, Uint8Array.from(codes));
    expect(await extract({ file: pdf })).toMatchObject({ type: 'pdf', text });
  });

  it('reads a Word document', async () => {
    const { type, text } = await extract({ file: bytesOfFile(sample('letter.docx')) });
    expect(type).toBe('docx');
    expect(text).toContain('Mr James Okafor, has accepted your offer of £347,500');
  });

  it('reads a web page without its scripts and styles', async () => {
    const { type, text, title } = await extract({ file: bytesOfFile(sample('report.html')) });
    expect([type, title]).toEqual(['html', 'Annual report 2023: Tamar Valley Food Bank']);
    expect(text).toContain('Plymouth City Council');
    expect(text).toContain('Tregenza & Sons Accountants Ltd');
    expect(text).not.toMatch(/console\.log|font-family|<p>/);
  });

  it('reads the sheets of a workbook, with dates, numbers and truths as such', async () => {
    const { type, text, sheets } = await extract({ file: bytesOfFile(sample('accounts.xlsx')) });
    expect(type).toBe('xlsx');
    expect(sheets?.map((sheet) => sheet.name)).toEqual(['March', 'Totals']);
    expect(sheets?.[0]?.rows[2]).toEqual(['2024-03-05', 'Northgate Surveyors Ltd', 1250.5, true]);
    expect(text).toContain('HM Land Registry\t150\tfalse');
  });

  it('reads text in UTF-8, UTF-16 and Windows-1252, and takes the name as a hint only', async () => {
    expect(await extract({ file: bytesOfFile(sample('paragraph.txt')), name: 'paragraph.pdf' })).toMatchObject({
      type: 'text',
      text: expect.stringContaining('£34,750.00'),
    });
    expect((await extract({ file: new Uint8Array(Buffer.from('\ufeff£5 café', 'utf16le')) })).text).toBe('£5 café');
    expect((await extract({ file: bytes('\xa35 caf\xe9') })).text).toBe('£5 café');
    expect(await extract({ file: bytes('plain <b>bold</b>'), name: 'a.html' })).toMatchObject({
      type: 'html',
      text: 'plain bold',
    });
  });

  it.each([
    ['an encrypted PDF', bytesOfFile(fixture('encrypted.pdf')), 'input.encrypted', /Save it without a password/],
    ['a PDF that is none inside', bytes('%PDF-1.7\nnothing of the kind'), 'input.damaged', /the PDF is damaged/],
    ['a cut-off Word document', bytesOfFile(fixture('damaged.docx')), 'input.damaged', /cut off/],
    ['an image', bytesOfFile(sample('letter.png')), 'input.unsupported', /an image.*send it to ocr\.read/],
    [
      'an old Word document',
      bytes(`\xd0\xcf\x11\xe0${'\0'.repeat(600)}`),
      'input.unsupported',
      /\.doc, \.xls.*save it as \.docx/,
    ],
    [
      'an encrypted Word document',
      bytes(`\xd0\xcf\x11\xe0${'\0'.repeat(60)}${[...'EncryptedPackage'].join('\0')}\0`),
      'input.encrypted',
      /without a password/,
    ],
    ['a program', bytes('\x7fELF\x02\x01\x01\0\0\0\0'), 'input.unsupported', /binary file of unknown type/],
    ['an empty file', new Uint8Array(), 'input.invalid', /input\.file: expected the bytes of a file/],
    ['a file by its name alone', undefined, 'input.invalid', /input\.file: expected bytes, got nothing/],
  ])('refuses %s', async (_what, input, code, message) => {
    expect(await agent.failure('document.extract', { file: input })).toMatchObject({
      code,
      message: expect.stringMatching(message),
      retryable: false,
    });
  });
});
