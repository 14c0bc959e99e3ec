/** Hints at known kinds for unknown ones: useful, and at a cost that neither mistakes nor kinds make grow. */
import { KindHints } from '@rma/server/core/kind-hints';
import { expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client } from './peer.js';

const kinds = (n: number) => Array.from({ length: n }, (_, i) => `kind${(i * 7_919) % n}.of-a-long-name-${i}`);
const known = (...names: string[]) => new Map(names.map((name) => [name, true]));

it.each([
  ['orc.read', 'ocr.read'],
  ['ocr.raed', 'ocr.read'],
  ['ocr.reads', 'ocr.read'],
  ['xocr.read', 'ocr.read'],
  ['llm.chatt', 'llm.chat'],
])('%s means %s, also beside thousands of others', (word, meant) => {
  for (const others of [0, 3_000]) {
    const all = known(...kinds(others), 'ocr.read', 'llm.chat', 'ner.extract');
    expect(new KindHints().near(word, all, 0)[0]).toBe(meant);
  }
});

it('names nothing that is far off, and nothing that is known no longer', () => {
  const hints = new KindHints();
  expect(hints.near('zzz', known('ocr.read'), 0)).toEqual([]);
  expect(hints.near('ocr.raed', known('ner.extract'), 10)).toEqual([]);
});

it('compares a bounded number of names for a message full of mistakes, beside any number of kinds', () => {
  const pool = new Pool({ builtInKinds: ['echo', ...kinds(1_024)] });
  const alice = new Client(pool);
  const mistakes = Array.from({ length: 1_000 }, (_, i) => ({ kind: `kind${i}.of-a-long-nmae-${i}` }));
  alice.submit(...mistakes);
  const { refused } = alice.read();
  expect(refused).toHaveLength(1_000);
  expect(refused.filter(({ error }) => error.message.includes('did you mean'))).toHaveLength(8);
  expect(pool.state.kindHints.compared).toBeLessThanOrEqual(8 * 32);
});
