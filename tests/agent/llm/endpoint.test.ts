import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EndpointLog, EndpointRuntime } from '@rma/agent/endpoint-runtime/endpoint';
import type { Job, ServiceStatus } from '@rma/workloads/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { needs } from '../../support/needs.js';
import { OpenAiServer } from '../../support/openai-server.js';
import { writeTinyGguf } from '../../support/tiny-gguf.js';

const TIMES = { intervalMs: 50, backoffMs: 20, maxBackoffMs: 100, timeoutMs: 5_000 };
const silent: EndpointLog = { info: () => undefined, warn: () => undefined };
const QUESTION = { messages: [{ role: 'user', content: 'Hello there' }], max_tokens: 12, temperature: 0 };

describe('an endpoint', needs('llama'), () => {
  let directory: string;
  let server: OpenAiServer;
  let runtime: EndpointRuntime;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rma-llm-'));
    writeTinyGguf(join(directory, 'tiny.gguf'));
    server = await OpenAiServer.start({ gguf: join(directory, 'tiny.gguf'), key: 'secret' });
  }, 60_000);
  afterAll(async () => {
    await server.dispose();
    rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    runtime = new EndpointRuntime({ name: 'llm', baseUrl: server.baseUrl, key: 'secret', slots: 4 }, silent, TIMES);
    await runtime.start(() => undefined);
    await until({ state: 'healthy' });
  });
  afterEach(() => runtime.stop());

  const status = () => runtime.services()[0];
  const until = (expected: Partial<ServiceStatus>) =>
    vi.waitFor(() => expect(status()).toMatchObject(expected), { timeout: 5_000, interval: 10 });

  function run(kind: string, input: unknown, timeoutMs = 30_000) {
    const chunks: Record<string, unknown>[] = [];
    const job: Job = { kind, input, timeoutMs };
    const execution = runtime.execute(job, {
      progress: () => undefined,
      chunk: (value) => void chunks.push(value as Record<string, unknown>),
    });
    return { chunks, execution, done: execution.done };
  }

  it('serves what its models are for', () => {
    expect(status()).toEqual({
      name: 'llm',
      runtime: 'endpoint',
      workload: 'llm',
      state: 'healthy',
      kinds: ['llm.chat', 'text.embed'],
      slots: 4,
      models: ['tiny-chat', 'tiny-embed'],
    });
    expect(runtime.chatServer).toEqual({ baseUrl: server.baseUrl, key: 'secret', model: 'tiny-chat' });
  });

  it('streams an answer, and tells its tokens, its model and how long it took', async () => {
    const { done, chunks } = run('llm.chat', QUESTION);
    const outcome = await done;
    const text = chunks.map(({ content }) => content ?? '').join('');
    expect(chunks[0]).toEqual({ role: 'assistant' });
    expect(chunks.length).toBeGreaterThan(5);
    expect(text.length).toBeGreaterThan(10);
    expect(outcome).toMatchObject({
      ok: true,
      output: {
        message: { role: 'assistant', content: text },
        finishReason: 'length',
        model: 'tiny-chat',
        usage: { promptTokens: 7, completionTokens: 12 },
        timings: { firstTokenMs: expect.any(Number), totalMs: expect.any(Number) },
      },
    });
    expect(server.bodies.at(-1)).toMatchObject({ stream: true, model: 'tiny-chat', temperature: 0, max_tokens: 12 });
  });

  it('stops the generation on the server when the task is cancelled', async () => {
    const { execution, done, chunks } = run('llm.chat', { ...QUESTION, max_tokens: 3_000 });
    await vi.waitFor(() => expect(chunks.length).toBeGreaterThan(5), { timeout: 10_000, interval: 5 });
    execution.cancel();
    expect(await done).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    const generation = server.generations.at(-1);
    await vi.waitFor(() => expect(generation?.state).toBe('aborted'), { timeout: 5_000, interval: 5 });
    expect(generation?.tokens).toBeLessThan(2_000);
  });

  it('stops the generation when the time is over', async () => {
    const { done } = run('llm.chat', { ...QUESTION, max_tokens: 3_000 }, 300);
    expect(await done).toMatchObject({ ok: false, error: { code: 'timeout', retryable: true } });
    await vi.waitFor(() => expect(server.generations.at(-1)?.state).toBe('aborted'), { timeout: 5_000, interval: 5 });
  });

  it('names the models there are when a task asks for another', async () => {
    const { done } = run('llm.chat', { ...QUESTION, model: 'gpt-9' });
    const error = { code: 'model.unknown', message: 'llm has no model gpt-9; it has tiny-chat', retryable: true };
    expect(await done).toEqual({ ok: false, error });
  });

  it('makes unit vectors with the model that the task names, and with no other', async () => {
    const outcome = await run('text.embed', { texts: ['one', 'two and three'], model: 'tiny-embed' }).done;
    if (!outcome.ok) throw new Error(outcome.error.message);
    const { model, dimensions, vectors } = outcome.output as { model: string; dimensions: number; vectors: number[][] };
    expect({ model, dimensions, count: vectors.length }).toEqual({ model: 'tiny-embed', dimensions: 64, count: 2 });
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(await run('text.embed', { text: 'one' }).done).toMatchObject({
      ok: false,
      error: { code: 'model.unnamed', message: expect.stringContaining('tiny-embed'), retryable: true },
    });
  });

  it('is unhealthy with the reason while the server is away, and healthy again when it is back', async () => {
    const cut = run('llm.chat', { ...QUESTION, max_tokens: 3_000 });
    await vi.waitFor(() => expect(cut.chunks.length).toBeGreaterThan(2), { timeout: 10_000, interval: 5 });
    await server.goAway();
    try {
      expect(await cut.done).toMatchObject({ ok: false, error: { code: 'endpoint.unreachable', retryable: true } });
      await until({ state: 'unhealthy', reason: expect.stringContaining('cannot be reached') as string });
      expect(runtime.chatServer).toBeUndefined();
      expect(await run('llm.chat', QUESTION).done).toMatchObject({
        ok: false,
        error: { code: 'service.unavailable', retryable: true },
      });
    } finally {
      await server.listen();
    }
    await until({ state: 'healthy' });
    expect(await run('llm.chat', QUESTION).done).toMatchObject({ ok: true });
  });

  it('says that the key is wrong', async () => {
    const other = new EndpointRuntime({ name: 'llm', baseUrl: server.baseUrl, slots: 1 }, silent, TIMES);
    await other.start(() => undefined);
    await eventually(() =>
      expect(other.services()[0]).toMatchObject({
        state: 'unhealthy',
        reason: expect.stringMatching(/401: Incorrect API key provided.*RMA_ENDPOINT_KEY/),
      }),
    );
    await other.stop();
  });
});
