/** The views of a value, and their bounds. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { StreamLog } from '../../dashboard/src/lib/tasks/stream-log.js';
import { wholeValue } from '../../dashboard/src/lib/values/blob-source.js';
import { hexDump } from '../../dashboard/src/lib/values/hex-dump.js';
import { entriesOf, preview, quoted } from '../../dashboard/src/lib/values/json-tree.js';
import { fileOf } from '../../dashboard/src/lib/values/saved-file.js';
import { mediaOf, shapesOf } from '../../dashboard/src/lib/values/shape.js';
import { barsPath, cosine, summarize } from '../../dashboard/src/lib/values/vectors.js';

const NONE: ReadonlySet<string> = new Set();
const sample = (name: string) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../docs/samples/${name}`, import.meta.url))));
const shapes = (value: unknown, blobs = NONE) => shapesOf(value, blobs).map(({ shape, label }) => `${shape} ${label}`);

describe('a value is shown', () => {
  it.each([
    ['a text', 'hello', ['text Text']],
    ['a number', 4, ['json JSON']],
    ['nothing', null, ['json JSON']],
    ['rows alike', [{ a: 1 }, { a: 2, b: 'x' }], ['table Table', 'json JSON']],
    ['a vector', Array.from({ length: 16 }, (_, i) => i / 16), ['vectors Plot', 'json JSON']],
    ['a short list of numbers', [1, 2, 3], ['json JSON']],
    [
      'a scan that was read',
      { text: 'Dear Ada', confidence: 0.9, lines: [{ text: 'Dear Ada' }] },
      ['text Text', 'table Lines', 'json JSON'],
    ],
    [
      'embeddings',
      { model: 'm', dimensions: 8, vectors: [[1, 2, 3, 4, 5, 6, 7, 8]] },
      ['vectors Vectors', 'json JSON'],
    ],
    ['a chat', { message: { role: 'assistant', content: 'Hello' } }, ['text Message', 'json JSON']],
    ['a map of nothing special', { a: { b: 1 } }, ['json JSON']],
  ])('%s', (_, value, expected) => {
    expect(shapes(value)).toEqual(expected);
  });

  it('bytes by how they begin, whatever they are called', () => {
    expect(mediaOf(sample('letter.png'))).toEqual({ is: 'image', type: 'image/png' });
    expect(mediaOf(sample('letter.pdf'))).toEqual({ is: 'pdf' });
    expect(mediaOf(sample('letter.docx'))).toEqual({ is: 'bytes' });
    expect(mediaOf(new TextEncoder().encode('Grüße'))).toEqual({ is: 'text', text: 'Grüße' });
    expect(mediaOf(Uint8Array.of(0xff, 0xfe, 0x41))).toEqual({ is: 'bytes' });
    expect(mediaOf(new Uint8Array())).toEqual({ is: 'bytes' });
    expect(shapes({ file: sample('letter.png'), name: 'x.pdf' })).toEqual(['image File', 'json JSON']);
  });

  it('a reference only where the task names it', () => {
    const ref = { $blob: 'ab'.repeat(32), size: 3, as: 'bytes' };
    expect(shapes(ref)).toEqual(['json JSON']);
    expect(shapes({ file: ref }, new Set([ref.$blob]))).toEqual(['blob File', 'json JSON']);
  });

  it('rows of too many columns, or unlike each other, as a tree', () => {
    expect(shapes([Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`c${i}`, i]))])).toEqual(['json JSON']);
    expect(shapes([{ a: 1 }, 2])).toEqual(['json JSON']);
  });
});

describe('the tree', () => {
  it('makes some children at a time, and short previews of anything', () => {
    expect(
      entriesOf(
        Array.from({ length: 1_000 }, (_, i) => i),
        0,
        100,
      ),
    ).toHaveLength(100);
    expect(preview('x'.repeat(100_000)).length).toBeLessThan(100);
    expect(
      preview(Object.fromEntries(Array.from({ length: 9 }, (_, i) => ['k'.repeat(99) + i, 1]))).length,
    ).toBeLessThan(120);
    expect(quoted('<img src=x onerror=alert(1)>', 400)).toBe('"<img src=x onerror=alert(1)>"');
  });
});

describe('a file of a value', () => {
  it('is what it is, with the right ending', () => {
    expect(fileOf(sample('letter.png'), 'scan')).toMatchObject({ name: 'scan.png', type: 'image/png' });
    expect(fileOf(sample('letter.pdf'), 'letter.pdf').name).toBe('letter.pdf');
    expect(fileOf({ b: Uint8Array.of(1) }, 'out')).toMatchObject({
      name: 'out.json',
      content: '{\n  "b": {\n    "$bytes": "AQ=="\n  }\n}',
    });
  });
});

it('puts blobs in their places, each fetched once', async () => {
  const ref = { $blob: 'ab'.repeat(32), size: 2, as: 'bytes' } as const;
  let asked = 0;
  const source = {
    names: new Set([ref.$blob]),
    fetch: async () => {
      asked++;
      return Uint8Array.of(1, 2);
    },
  };
  expect(await wholeValue({ a: ref, b: [ref] }, source)).toEqual({ a: Uint8Array.of(1, 2), b: [Uint8Array.of(1, 2)] });
  expect(asked).toBe(1);
});

it('bytes are read as hexadecimal beside their characters', () => {
  expect(hexDump(new TextEncoder().encode('RMA pool\n12345678'))).toBe(
    '00000000  52 4d 41 20 70 6f 6f 6c  0a 31 32 33 34 35 36 37  RMA pool.1234567\n' +
      `00000010  38${' '.repeat(21)}  ${' '.repeat(23)}  8`,
  );
});

it('vectors have their figures and a path of bounded length', () => {
  const vector = Array.from({ length: 4_096 }, (_, i) => Math.sin(i));
  expect(summarize([3, 4])).toEqual({ dimensions: 2, length: 5, least: 3, most: 4 });
  expect(barsPath(vector, 640, 72, 256).split('M')).toHaveLength(257);
  expect(cosine([1, 0], [0, 1])).toBe(0);
  expect(cosine([1], [1, 2])).toBeUndefined();
});

describe('what a task gives on the way', () => {
  const piece = (chunk: number, data: unknown, attempt = 1) => ({ attempt, chunk, data });

  it('joins text, and has a line for anything else', () => {
    const log = new StreamLog();
    for (const [i, data] of [{ role: 'assistant' }, { content: 'Hel' }, { content: 'lo' }, { n: 1 }, 'x'].entries()) {
      log.add(piece(i + 1, data));
    }
    expect(log.text).toBe('Hello\n{"n":1}\nx');
    expect(log.count).toBe(5);
  });

  it('restarts with a new attempt', () => {
    const log = new StreamLog();
    log.add(piece(1, 'void'));
    log.add(piece(1, 'counts', 2));
    expect(log).toMatchObject({ text: 'counts', count: 1, isRestarted: true });
  });

  it('keeps a bounded part of what never ends', () => {
    const log = new StreamLog();
    for (let i = 1; i <= 20; i++) log.add(piece(i, 'x'.repeat(100_000)));
    expect(log.text.length).toBeLessThanOrEqual(500_000);
    expect(log.dropped + log.text.length).toBe(2_000_000);
  });
});
