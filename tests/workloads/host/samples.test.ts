/** The built-in workloads on real files, each in its own process, as the agent runs them. */
import { readFileSync } from 'node:fs';
import type { DocumentOutput } from '@rma/workloads/document/handlers';
import type { EmbedOutput } from '@rma/workloads/embed/handlers';
import { MANIFESTS } from '@rma/workloads/manifests';
import type { NerOutput } from '@rma/workloads/ner/handlers';
import type { OcrOutput } from '@rma/workloads/ocr/handlers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAsianPdf } from '../document/document-files.js';
import { assertNoHandlerProcessLeft, fixture, Harness, sample } from './runtime-harness.js';

/** Those that keep data have tests of their own, beside this folder. */
const WORKLOADS = MANIFESTS.flatMap(({ name, keepsData }) => (keepsData ? [] : [name]));
const agent = new Harness({ workloads: WORKLOADS });

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

beforeAll(async () => {
  await agent.start();
  for (const name of WORKLOADS) await agent.until(name, 'healthy');
});

afterAll(async () => {
  await agent.stop();
  await assertNoHandlerProcessLeft();
});

describe('ocr.read', () => {
  it('reads a scanned letter, with its lines, and tells progress', async () => {
    const { outcome, progress } = await agent.run('ocr.read', { file: file(sample('letter.png')) }, 60_000);
    if (!outcome.ok) throw new Error(outcome.error.message);
    const { text, confidence, lines } = outcome.output as OcrOutput;
    for (const words of [
      'Harbour & Finch Solicitors LLP',
      'Mrs Margaret Whitfield',
      '5 March 2024',
      '£347,500',
      '£1,250.50',
      'Devon TQ9 5EX',
      'Daniel Ashworth',
    ]) {
      expect(text).toContain(words);
    }
    expect(confidence).toBeGreaterThan(0.85);
    expect(confidence).toBeLessThanOrEqual(1);
    const line = lines.find((candidate) => candidate.text === '5 March 2024');
    expect(line?.box.x).toBeGreaterThan(150);
    expect(line?.box.width).toBeGreaterThan(100);
    expect(progress.at(-1)?.[0]).toBeGreaterThan(0.5);
  });

  it('feeds ner.extract', async () => {
    const { text } = (await agent.output('ocr.read', { file: file(sample('letter.png')) }, 60_000)) as OcrOutput;
    const { entities } = (await agent.output('ner.extract', { text })) as NerOutput;
    const found = entities.map(({ type, normal }) => `${type} ${typeof normal === 'string' ? normal : normal.amount}`);
    for (const wanted of [
      'person Margaret Whitfield',
      'person James Okafor',
      'organisation Devon County Council',
      'place Edinburgh',
      'date 2024-04-12',
      'date 2024-03-22',
      'money 1250.5',
    ]) {
      expect(found).toContain(wanted);
    }
  });

  it.each([
    ['a cut-off image', file(fixture('damaged.png')), 'input.damaged', /damaged .*Scan or export it again/],
    ['scrambled pixels', file(fixture('scrambled.png')), 'input.damaged', /damaged/],
    ['a cut-off JPEG', bytes('\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01'), 'input.damaged', /damaged/],
    ['a PDF', file(sample('letter.pdf')), 'input.unsupported', /this is a PDF: send it to document\.extract/],
    ['a text', bytes('Dear Sir'), 'input.unsupported', /expected an image: PNG/],
    [
      'an empty file',
      new Uint8Array(),
      'input.invalid',
      /input\.file: expected the bytes of a file, got an empty file/,
    ],
    ['no file', undefined, 'input.invalid', /input\.file: expected bytes, got nothing/],
    ['a path', '/etc/passwd', 'input.invalid', /input\.file: expected bytes, got a string/],
    [
      'a claim of 30000 by 30000 pixels',
      bytes('P5 30000 30000 255\n'),
      'input.invalid',
      /40 megapixels .* got an image of 30000 × 30000/,
    ],
  ])('refuses %s', async (_what, input, code, message) => {
    expect(await agent.failure('ocr.read', { file: input })).toMatchObject({
      code,
      message: expect.stringMatching(message),
      retryable: false,
    });
  });

  it('refuses a language that is not installed, and reads on after bad input', async () => {
    const picture = file(sample('letter.png'));
    expect(await agent.failure('ocr.read', { file: picture, language: 'deu' })).toMatchObject({
      code: 'input.unsupported',
    });
    const reading = agent.begin('ocr.read', { file: picture });
    reading.execution.cancel();
    expect((await reading.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    expect(await agent.output('ocr.read', { file: picture, language: 'eng' }, 60_000)).toMatchObject({
      text: expect.stringContaining('Whitfield'),
    });
  });
});

describe('document.extract', () => {
  const extract = async (input: object): Promise<DocumentOutput> =>
    (await agent.output('document.extract', input)) as DocumentOutput;

  it('reads the pages of a PDF', async () => {
    const { type, text, pages, title } = await extract({ file: file(sample('letter.pdf')) });
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
    const { type, text } = await extract({ file: file(sample('letter.docx')) });
    expect(type).toBe('docx');
    expect(text).toContain('Mr James Okafor, has accepted your offer of £347,500');
  });

  it('reads a web page without its scripts and styles', async () => {
    const { type, text, title } = await extract({ file: file(sample('report.html')) });
    expect([type, title]).toEqual(['html', 'Annual report 2023: Tamar Valley Food Bank']);
    expect(text).toContain('Plymouth City Council');
    expect(text).toContain('Tregenza & Sons Accountants Ltd');
    expect(text).not.toMatch(/console\.log|font-family|<p>/);
  });

  it('reads the sheets of a workbook, with dates, numbers and truths as such', async () => {
    const { type, text, sheets } = await extract({ file: file(sample('accounts.xlsx')) });
    expect(type).toBe('xlsx');
    expect(sheets?.map((sheet) => sheet.name)).toEqual(['March', 'Totals']);
    expect(sheets?.[0]?.rows[2]).toEqual(['2024-03-05', 'Northgate Surveyors Ltd', 1250.5, true]);
    expect(text).toContain('HM Land Registry\t150\tfalse');
  });

  it('reads text in UTF-8, UTF-16 and Windows-1252, and takes the name as a hint only', async () => {
    expect(await extract({ file: file(sample('paragraph.txt')), name: 'paragraph.pdf' })).toMatchObject({
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
    ['an encrypted PDF', file(fixture('encrypted.pdf')), 'input.encrypted', /Save it without a password/],
    ['a PDF that is none inside', bytes('%PDF-1.7\nnothing of the kind'), 'input.damaged', /the PDF is damaged/],
    ['a cut-off Word document', file(fixture('damaged.docx')), 'input.damaged', /cut off/],
    ['an image', file(sample('letter.png')), 'input.unsupported', /an image.*send it to ocr\.read/],
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

describe('text.embed', () => {
  const embed = async (input: object): Promise<EmbedOutput> =>
    (await agent.output('text.embed', input, 60_000)) as EmbedOutput;
  const similarity = (a: readonly number[] = [], b: readonly number[] = []): number =>
    a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

  it('gives a unit vector a text, near for what means the same', async () => {
    const { model, dimensions, vectors } = await embed({
      texts: [
        'The boiler in the kitchen is broken',
        'Our kitchen heating does not work',
        'The council approved the annual accounts',
      ],
    });
    expect([model, dimensions]).toEqual(['universal-sentence-encoder-lite', 512]);
    expect(vectors.map((vector) => vector.length)).toEqual([512, 512, 512]);
    expect(similarity(vectors[0], vectors[0])).toBeCloseTo(1, 3);
    expect(similarity(vectors[0], vectors[1])).toBeGreaterThan(similarity(vectors[0], vectors[2]) + 0.1);
  });

  it('gives the same vector alone and among others, in the order of the texts', async () => {
    const texts = Array.from({ length: 40 }, (_, n) =>
      `Letter number ${n} about the ${n % 2 ? 'garden' : 'roof'}. `.repeat(1 + (n % 7)),
    );
    const { vectors } = await embed({ texts });
    const alone = await embed({ text: texts[17] });
    expect(vectors).toHaveLength(40);
    expect(similarity(vectors[17], alone.vectors[0])).toBeCloseTo(1, 4);
  });

  it.each([
    [{ texts: ['fine', ' '] }, /input\.texts\[1\]: expected text, got an empty one/],
    [{ texts: [] }, /input\.texts: expected at least one text/],
    [{ texts: 'one' }, /input\.texts: expected a list of texts, got a string/],
    [{ text: '' }, /input\.text: expected text, got an empty one/],
    [{ text: 'a', texts: ['b'] }, /either text or texts, got both/],
    [{ text: 'a'.repeat(20_000) }, /at most 16000 characters, got 20000/],
    [null, /input: expected a map \{ text \} or \{ texts \}, got null/],
  ])('refuses %j', async (input, message) => {
    expect(await agent.failure('text.embed', input)).toMatchObject({
      code: 'input.invalid',
      message: expect.stringMatching(message),
    });
  });
});
