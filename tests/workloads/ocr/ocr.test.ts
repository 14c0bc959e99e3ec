/** `ocr.read` on real files, in a process of its own, as the agent runs it. */
import type { NerOutput } from '@rma/workloads/ner/handlers';
import type { OcrOutput } from '@rma/workloads/ocr/handlers';
import { describe, expect, it } from 'vitest';
import { bytesOfFile, fixture, sample, useWorkloads } from '../host/runtime-harness.js';

const agent = useWorkloads('ocr', 'ner');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

describe('ocr.read', () => {
  it('reads a scanned letter, with its lines, and tells progress', async () => {
    const { outcome, progress } = await agent.run('ocr.read', { file: bytesOfFile(sample('letter.png')) }, 60_000);
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
    const { text } = (await agent.output('ocr.read', { file: bytesOfFile(sample('letter.png')) }, 60_000)) as OcrOutput;
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
    ['a cut-off image', bytesOfFile(fixture('damaged.png')), 'input.damaged', /damaged .*Scan or export it again/],
    ['scrambled pixels', bytesOfFile(fixture('scrambled.png')), 'input.damaged', /damaged/],
    ['a cut-off JPEG', bytes('\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01'), 'input.damaged', /damaged/],
    ['a PDF', bytesOfFile(sample('letter.pdf')), 'input.unsupported', /this is a PDF: send it to document\.extract/],
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
    const picture = bytesOfFile(sample('letter.png'));
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
