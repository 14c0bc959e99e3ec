/** `text.split`: what it cuts and refuses, and that one input ends its own task and nothing else. */
import { readFileSync } from 'node:fs';
import { passagesOf } from '@rma/workloads/rag/passages';
import { handlers, type SplitOutput } from '@rma/workloads/split/handlers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { call, refusal } from '../host/call-handler.js';
import { sample, useWorkloads } from '../host/runtime-harness.js';

const split = handlers['text.split'];
const SENTENCE = 'The library opens at nine on weekdays. ';

async function passages(text: string, maxCharacters?: number | null): Promise<SplitOutput['passages']> {
  const { output } = await call(split, { text, maxCharacters });
  return (output as SplitOutput).passages;
}

describe('text.split', () => {
  it('gives a short text back as one passage, without the blanks around it', async () => {
    expect(await passages('  Zoë 😀 came. \n')).toEqual([{ text: 'Zoë 😀 came.', start: 2, end: 14 }]);
  });

  it('cuts as retrieval does, up to 1,000 characters, unless told otherwise', async () => {
    const text = readFileSync(sample('paragraph.txt'), 'utf8').repeat(5);
    const cut = await passages(text);
    expect(cut.length).toBeGreaterThan(1);
    expect(cut.map(({ start, end }) => ({ start, end }))).toEqual(
      passagesOf(text).map(({ start, end }) => ({ start, end })),
    );
    expect(await passages(text, null)).toEqual(cut);
  });

  it('keeps sentences whole where they fit, and repeats the last one where it had to cut a paragraph', async () => {
    const cut = await passages('It rained all day. We stayed at home and read. '.repeat(6), 120);
    for (const { text } of cut) expect(text).toMatch(/^(It|We) .*(day|read)\.$/);
    for (const [at, { end }] of cut.slice(0, -1).entries()) expect(cut[at + 1]?.start).toBeLessThan(end);
  });

  it('leaves a heading with what it heads', async () => {
    const body = SENTENCE.repeat(2).trim();
    const cut = await passages(`${body}\n\nOpening hours\n\n${body}`, 110);
    expect(cut.map(({ text }) => text)).toEqual([body, `Opening hours\n\n${body}`]);
  });

  it.each([
    ['headings alone', 'Apples and pears\n\n'.repeat(40)],
    ['a heading far above its text', `Hours${'\n'.repeat(300)}${SENTENCE}`],
    ['words without an end', 'word '.repeat(400)],
    ['no blank at all', 'x'.repeat(25_000)],
    ['no blank, in characters of two units', `x${'😀'.repeat(12_000)}`],
  ])('keeps to the limit for %s, and loses nothing', async (_, text) => {
    const cut = await passages(text, 101);
    for (const passage of cut) {
      expect(passage.text.length).toBeLessThanOrEqual(101);
      expect(passage.text).not.toMatch(/\p{Surrogate}/u);
    }
    expect(cut.map((passage) => passage.text.replace(/\s/g, '')).join('')).toBe(text.replace(/\s/g, ''));
  });

  it('holds, for any text, limit and offsets, and covers every word', async () => {
    const piece = fc.constantFrom(
      'A b.',
      'Dr. Who?',
      '\n',
      '\n\n',
      ' ',
      '# Title\n',
      'é😀',
      'x'.repeat(70),
      '; ',
      '1.5',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 100, max: 400 }),
        async (pieces, most) => {
          const text = `a${pieces.join('')}`;
          let covered = 0;
          for (const { text: cut, start, end } of await passages(text, most)) {
            expect(cut).toBe(text.slice(start, end));
            expect(cut.length).toBeLessThanOrEqual(most);
            expect(text.slice(covered, Math.max(covered, start)).trim()).toBe('');
            expect(end).toBeGreaterThan(covered);
            covered = end;
          }
          expect(text.slice(covered).trim()).toBe('');
        },
      ),
    );
  });

  it.each([
    [null, 'input: expected a map { text }, got null'],
    [{}, 'input.text: expected text, got nothing'],
    [{ text: ' \n' }, 'input.text: expected text, got an empty one'],
    [{ text: 'a'.repeat(500_001) }, /^input\.invalid: input\.text: expected at most 500000 characters, got 500001/],
    [{ text: 'a', maxCharacters: 99 }, 'input.maxCharacters: expected at least 100, got 99'],
    [{ text: 'a', maxCharacters: 16_001 }, /input\.maxCharacters: expected a whole number .* got 16001$/],
    [{ text: 'a', maxCharacters: '9' }, /input\.maxCharacters: .* got a string$/],
  ])('refuses %j', async (input, message) => {
    const refused = await refusal(split, input);
    if (typeof message === 'string') expect(refused).toBe(`input.invalid: ${message}`);
    else expect(refused).toMatch(message);
  });
});

describe('text.split in a process', () => {
  const agent = useWorkloads('split');

  it('refuses what is no text and goes on with the next task', async () => {
    expect(await agent.failure('text.split', { text: new Uint8Array([0xff, 0xfe]) })).toMatchObject({
      code: 'input.invalid',
      retryable: false,
    });
    expect(await agent.output('text.split', { text: 'Still here.' })).toEqual({
      passages: [{ text: 'Still here.', start: 0, end: 11 }],
    });
  });

  it('cuts the longest text that it takes, a single paragraph, within its limits', async () => {
    const text = SENTENCE.repeat(Math.floor(500_000 / SENTENCE.length));
    const { passages: cut } = (await agent.output('text.split', { text }, 60_000)) as SplitOutput;
    expect(cut.at(-1)?.end).toBe(text.trimEnd().length);
    for (const passage of cut) expect(passage.text).toMatch(/^The library .* weekdays\.$/);
  });
});
