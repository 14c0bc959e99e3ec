/** `text.embed` on real files, in a process of its own, as the agent runs it. */
import type { EmbedOutput } from '@rma/workloads/embed/handlers';
import { describe, expect, it } from 'vitest';
import { useWorkloads } from '../host/runtime-harness.js';

const agent = useWorkloads('embed');

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
