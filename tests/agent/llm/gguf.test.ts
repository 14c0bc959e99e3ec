import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ggufSpecs } from '@rma/agent/gguf-runtime/gguf-spec';
import { createGgufRuntime } from '@rma/agent/gguf-runtime/runtime';
import type { Runtime, ServiceStatus } from '@rma/workloads/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { LLAMA_DIR } from '../../support/llama.js';
import { needs } from '../../support/needs.js';
import { writeTinyGguf } from '../../support/tiny-gguf.js';

const directory = mkdtempSync(join(tmpdir(), 'rma-gguf-'));
const file = join(directory, 'tiny.gguf');
const scratch = join(directory, 'scratch');
const QUESTION = { messages: [{ role: 'user', content: 'Hello there' }], max_tokens: 12, temperature: 0 };
let runtime: Runtime | undefined;

beforeAll(() => writeTinyGguf(file));
afterEach(async () => {
  await runtime?.stop();
  expect(readdirSync(scratch)).toEqual([]);
});
afterAll(() => rmSync(directory, { recursive: true }));

const status = () => runtime?.services()[0];
const until = (expected: Partial<ServiceStatus>) =>
  vi.waitFor(() => expect(status()).toMatchObject(expected), { timeout: 30_000, interval: 10 });

async function start(path = file): Promise<void> {
  const [model] = ggufSpecs({ models: [`mine=${file}`], contextTokens: 2_048 });
  if (model === undefined) throw new Error('no model');
  const log = { debug: () => undefined, warn: () => undefined };
  runtime = createGgufRuntime({ model: { ...model, path }, scratch, packageDir: LLAMA_DIR, log });
  await runtime.start(() => undefined);
}

function run(input: unknown) {
  const chunks: Record<string, unknown>[] = [];
  if (runtime === undefined) throw new Error('not started');
  const execution = runtime.execute(
    { kind: 'llm.chat', input, timeoutMs: 30_000 },
    { progress: () => undefined, chunk: (value) => void chunks.push(value as Record<string, unknown>) },
  );
  return { chunks, execution, done: execution.done };
}

/** The handler process, which nobody else has started: it has our scratch directory among its arguments. */
function processes(): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return lines
    .filter((line) => line.includes(scratch) && line.includes('child.js'))
    .map((line) => Number.parseInt(line, 10));
}

describe('a GGUF file', needs('llama'), () => {
  it('answers in pieces, with its tokens counted, and stops when cancelled', async () => {
    await start();
    await until({ state: 'healthy' });
    expect(status()).toEqual({
      name: 'gguf',
      runtime: 'embedded',
      workload: 'llm',
      state: 'healthy',
      kinds: ['llm.chat'],
      slots: 1,
      models: ['mine'],
    });
    const { done, chunks } = run(QUESTION);
    const outcome = await done;
    const text = chunks.map(({ content }) => content ?? '').join('');
    expect(text.length).toBeGreaterThan(10);
    expect(outcome).toMatchObject({
      ok: true,
      output: {
        message: { content: text },
        model: 'mine',
        finishReason: 'length',
        usage: { promptTokens: expect.any(Number), completionTokens: 12 },
      },
    });
    const again = await run(QUESTION).done;
    expect(again).toMatchObject({ ok: true, output: { message: { content: text } } });

    const [pid] = processes();
    const long = run({ ...QUESTION, max_tokens: 2_000 });
    await vi.waitFor(() => expect(long.chunks.length).toBeGreaterThan(5), { timeout: 10_000, interval: 5 });
    long.execution.cancel();
    expect(await long.done).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    const sent = long.chunks.length;
    expect(sent).toBeLessThan(1_500);
    // The same process takes the next task at once: nothing of the cancelled one goes on in it.
    expect(await run(QUESTION).done).toMatchObject({ ok: true, output: { message: { content: text } } });
    expect(processes()).toEqual([pid]);
    expect(long.chunks.length).toBe(sent);
  }, 60_000);

  it('refuses what only servers can do, and what does not fit', async () => {
    await start();
    await until({ state: 'healthy' });
    const refused = async (input: object) => {
      const outcome = await run({ ...QUESTION, ...input }).done;
      return outcome.ok ? 'taken' : `${outcome.error.code} ${outcome.error.message}`;
    };
    expect(await refused({ tools: [] })).toMatch(/^input.invalid input.tools: not available with a GGUF file/);
    expect(await refused({ model: 'other' })).toBe('model.unknown this worker has no model other; it has mine');
    const content = 'long '.repeat(3_000);
    expect(await refused({ messages: [{ role: 'user', content }] })).toMatch(/^input.too_long .* context has 2048/);
  }, 60_000);

  it('is loaded again after its process was killed', async () => {
    await start();
    await until({ state: 'healthy' });
    const { done, chunks } = run({ ...QUESTION, max_tokens: 1_500 });
    await vi.waitFor(() => expect(chunks.length).toBeGreaterThan(2), { timeout: 10_000, interval: 5 });
    const [pid] = processes();
    process.kill(pid ?? 0, 'SIGKILL');
    expect(await done).toMatchObject({ ok: false, error: { code: 'crashed', retryable: true } });
    await vi.waitFor(() => expect(processes()).not.toContain(pid), { timeout: 5_000, interval: 20 });
    expect(await run(QUESTION).done).toMatchObject({ ok: true });
  }, 60_000);

  it('that was downloaded by half makes the service unhealthy, with the reason', async () => {
    const damaged = join(directory, 'damaged.gguf');
    const whole = readFileSync(file);
    writeFileSync(damaged, whole.subarray(0, whole.length / 2));
    await start(damaged);
    await until({ state: 'unhealthy', reason: expect.stringMatching(/damaged\.gguf cannot be loaded: /) as string });
  }, 60_000);
});

describe('--model', () => {
  it('says what is wrong with a file', () => {
    const text = join(directory, 'notes.txt');
    writeFileSync(text, 'not a model');
    expect(() => ggufSpecs({ models: [text] })).toThrow(/notes\.txt is no GGUF file/);
    writeFileSync(text, 'GGUF and then nothing of use');
    expect(() => ggufSpecs({ models: [text] })).toThrow(
      /notes\.txt has the GGUF version 1684955424; .* download it again/,
    );
    expect(() => ggufSpecs({ models: ['none.gguf'] })).toThrow(/cannot read .*none\.gguf/);
    expect(() => ggufSpecs({ models: [file, file] })).toThrow(/two models are called tiny/);
    expect(ggufSpecs({ models: [file, `other=${file}`] })).toMatchObject([
      { service: 'gguf', name: 'tiny', slots: 1 },
      { service: 'gguf-2', name: 'other' },
    ]);
  });
});
