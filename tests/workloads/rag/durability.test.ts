/** What an acknowledged task left on disk is there after the process that wrote it was killed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueryOutput } from '@rma/workloads/rag/handlers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { needs } from '../../support/needs.js';
import { assertNoHandlerProcessLeft, Harness } from '../host/runtime-harness.js';

describe('the data of rag and vector', needs('sqlite'), () => {
  let dataDir: string;
  let harness: Harness;

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'rma-rag-'));
    harness = new Harness({ workloads: ['rag', 'vector'], dataDir, slots: 2 });
    await harness.start();
    await harness.until('rag', 'healthy');
    await harness.until('vector', 'healthy');
  }, 40_000);

  afterEach(async () => {
    await harness.stop();
    rmSync(dataDir, { recursive: true });
    await assertNoHandlerProcessLeft();
  });

  it('survives a kill -9 of the process in the middle of its next task', async () => {
    const text = 'Otters hold hands while they sleep.';
    await harness.output('rag.ingest', { collection: 'c', documents: [{ id: 'a', text }] });
    await harness.output('vector.upsert', { collection: 'c', items: [{ id: 'a', vector: [1, 0] }] });
    const long = Array.from({ length: 40 }, (_, index) => ({ id: `d${index}`, text: `${text} `.repeat(40) }));
    const { ran } = harness.begin('rag.ingest', { collection: 'c', documents: long }, 60_000);
    await vi.waitFor(
      async () => {
        const { collections } = (await harness.output('rag.collections', {})) as {
          collections: { documents: number }[];
        };
        expect(collections[0]?.documents).toBeGreaterThan(1);
      },
      { timeout: 30_000, interval: 50 },
    );
    for (const pid of handlerProcesses()) process.kill(pid, 'SIGKILL');
    expect((await ran).outcome).toMatchObject({ ok: false, error: { retryable: true } });
    // A process whose end is not noticed yet may be given the next task: then that one is tried again, as in a pool.
    const retried = (kind: string, input: object) =>
      vi.waitFor(() => harness.output(kind, input), { timeout: 30_000, interval: 50 });
    const question = { collection: 'c', question: 'Which animals hold hands?', topK: 50, answer: false };
    const output = (await retried('rag.query', question)) as QueryOutput;
    expect(output.passages.map(({ document }) => document)).toContain('a');
    expect(await retried('vector.search', { collection: 'c', vector: [1, 0] })).toEqual({
      matches: [{ id: 'a', score: 1 }],
    });
    // The second attempt goes on where the first was killed.
    const [first] = long;
    const again = await retried('rag.ingest', { collection: 'c', documents: [first] });
    expect(again).toMatchObject({ unchanged: ['d0'] });
  }, 90_000);

  it('takes writes of two processes at once, each as a whole', async () => {
    const upsert = (from: number) =>
      harness.output('vector.upsert', {
        collection: 'both',
        items: Array.from({ length: 400 }, (_, index) => ({ id: `${from + index}`, vector: [from + index + 1, 1, 2] })),
      });
    await Promise.all([upsert(0), upsert(200), upsert(400), upsert(0)]);
    const { collections } = (await harness.output('vector.collections', {})) as { collections: object[] };
    expect(collections).toMatchObject([{ collection: 'both', items: 800, dimensions: 3, model: null }]);
  }, 60_000);
});

function handlerProcesses(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const parent = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
        return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('rag/handlers.js');
      } catch (error) {
        if (error instanceof Error && 'code' in error) return false;
        throw error;
      }
    });
}
