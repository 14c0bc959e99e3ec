import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { handlers } from '@rma/workloads/vector/handlers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { call, refusal } from '../host/call-handler.js';

describe('vector', needs('sqlite'), () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'rma-vector-'));
  const before = process.env.RMA_DATA_DIR;

  beforeAll(() => {
    process.env.RMA_DATA_DIR = dataDir;
  });

  afterAll(() => {
    if (before === undefined) delete process.env.RMA_DATA_DIR;
    else process.env.RMA_DATA_DIR = before;
    rmSync(dataDir, { recursive: true });
  });

  const output = async (kind: keyof typeof handlers, input: unknown) => (await call(handlers[kind], input)).output;
  const upsert = (collection: string, items: readonly unknown[], more: object = {}) =>
    output('vector.upsert', { collection, items, ...more });
  const colours = [
    { id: 'red', vector: [1, 0, 0], metadata: { warm: true, length: 700, name: { en: 'red' } } },
    { id: 'orange', vector: [0.8, 0.4, 0], metadata: { warm: true, length: 600 } },
    { id: 'blue', vector: [0, 0, 1], metadata: { warm: false, length: 450 } },
  ];

  it('finds the nearest first, by cosine similarity', async () => {
    expect(await upsert('near', colours)).toEqual({ collection: 'near', upserted: 3, dimensions: 3, model: null });
    const found = (await output('vector.search', { collection: 'near', vector: [2, 0, 0], topK: 2 })) as {
      matches: object[];
    };
    expect(found.matches).toMatchObject([{ id: 'red', score: 1, metadata: { warm: true } }, { id: 'orange' }]);
  });

  it('replaces an item that is sent again', async () => {
    await upsert('again', colours);
    await upsert('again', [{ id: 'red', vector: [0, 0, 1] }]);
    const found = (await output('vector.search', { collection: 'again', vector: [1, 0, 0] })) as {
      matches: { id: string }[];
    };
    expect(found.matches.map(({ id }) => id)).toEqual(['orange', 'blue', 'red']);
  });

  it.each([
    [{ warm: false }, ['blue']],
    [{ length: [450, 600] }, ['orange', 'blue']],
    [{ length: { gte: 600, lt: 700 } }, ['orange']],
    [{ 'name.en': 'red' }, ['red']],
    [{ warm: true, length: { ne: 700 } }, ['orange']],
    [{ missing: null }, ['red', 'orange', 'blue']],
    [{ missing: 1 }, []],
  ])('filters by metadata before it looks for the nearest: %j', async (filter, ids) => {
    await upsert('filter', colours);
    const input = { collection: 'filter', vector: [1, 0, 0], topK: 3, filter };
    const found = (await output('vector.search', input)) as { matches: { id: string }[] };
    expect(found.matches.map(({ id }) => id)).toEqual(ids);
  });

  it('embeds texts, and pins the model', async () => {
    await upsert('texts', [
      { id: 'sea', text: 'Waves broke on the beach all night.' },
      { id: 'tax', text: 'The form has to reach the revenue office by January.' },
    ]);
    const found = (await output('vector.search', { collection: 'texts', text: 'the ocean shore', topK: 1 })) as {
      matches: object[];
    };
    expect(found.matches).toMatchObject([{ id: 'sea', text: 'Waves broke on the beach all night.' }]);
    const mixed = await refusal(handlers['vector.upsert'], {
      collection: 'texts',
      items: [{ id: 'x', vector: Array(512).fill(0.1) }],
    });
    expect(mixed).toContain('collection.model');
    expect(mixed).toContain('pinned to model universal-sentence-encoder-lite');
  });

  it('refuses another dimension, in upsert and in search, and stores nothing of it', async () => {
    await upsert('pinned', colours);
    for (const kind of ['vector.upsert', 'vector.search'] as const) {
      const items = [{ id: 'x', vector: [1, 0] }];
      const refused = await refusal(handlers[kind], { collection: 'pinned', items, vector: [1, 0] });
      expect(refused).toContain(
        "collection.dimensions: collection 'pinned' is pinned to 3 dimensions, and this vector has 2",
      );
    }
    const items = [
      { id: 'y', vector: [1, 0, 0] },
      { id: 'z', vector: [1] },
    ];
    expect(await refusal(handlers['vector.upsert'], { collection: 'pinned', items })).toContain(
      'input.items[1].vector',
    );
    const { collections } = (await output('vector.collections', {})) as {
      collections: { collection: string; items: number }[];
    };
    expect(collections.find(({ collection }) => collection === 'pinned')?.items).toBe(3);
  });

  it('keeps vectors of two models apart, even of one dimension', async () => {
    await upsert('models', colours, { model: 'a' });
    expect(await refusal(handlers['vector.upsert'], { collection: 'models', items: colours, model: 'b' })).toContain(
      'pinned to model a',
    );
  });

  it('deletes items, and a collection that can then be of another dimension', async () => {
    await upsert('gone', colours);
    expect(await output('vector.delete', { collection: 'gone', ids: ['red', 'green'] })).toEqual({
      collection: 'gone',
      deleted: 1,
    });
    expect(await output('vector.delete', { collection: 'gone', all: true })).toEqual({
      collection: 'gone',
      deleted: 2,
    });
    expect(await refusal(handlers['vector.search'], { collection: 'gone', vector: [1] })).toContain(
      'collection.unknown',
    );
    expect(await upsert('gone', [{ id: 'x', vector: [1, 2] }])).toMatchObject({ dimensions: 2 });
  });

  it.each([
    [{ collection: 'x', items: [{ id: 'a', vector: [0, 0] }] }, 'got only zeros'],
    [{ collection: 'x', items: [{ id: 'a', vector: [1, Number.NaN] }] }, 'input.items[0].vector[1]'],
    [{ collection: 'x', items: [{ id: '', vector: [1] }] }, 'input.items[0].id'],
    [
      {
        collection: 'x',
        items: [
          { id: 'a', vector: [1] },
          { id: 'b', text: 'c' },
        ],
      },
      'send texts apart',
    ],
    [{ collection: 'x', items: [{ id: 'a', text: 'c' }], model: 'other' }, 'input.model'],
  ])('names what is wrong with %j', async (input, words) => {
    expect(await refusal(handlers['vector.upsert'], input)).toContain(words);
  });

  it.each([
    [{ "a'b": 1 }, 'expected a field'],
    [{ a: { like: 'x' } }, 'input.filter.a.like'],
    [{ a: [] }, '1 to 100 values'],
  ])('names what is wrong with the filter %j', async (filter, words) => {
    await upsert('filter', colours);
    expect(await refusal(handlers['vector.search'], { collection: 'filter', vector: [1, 0, 0], filter })).toContain(
      words,
    );
  });
});
