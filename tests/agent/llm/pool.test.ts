/** Language models through a real coordinator: submitted by a client, run by an agent, streamed back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@rma/agent/agent';
import { endpointSpecs } from '@rma/agent/endpoint-runtime/endpoint-spec';
import { ggufSpecs } from '@rma/agent/gguf-runtime/gguf-spec';
import type { LlmOptions } from '@rma/agent/runtimes/llm-runtimes';
import { type Client, connect } from '@rma/client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from '../../support/coordinator.js';
import { giveLlama } from '../../support/llama.js';
import { needs } from '../../support/needs.js';
import { OpenAiServer } from '../../support/openai-server.js';
import { writeTinyGguf } from '../../support/tiny-gguf.js';

const QUESTION = { messages: [{ role: 'user', content: 'Hello there' }], max_tokens: 12, temperature: 0 };

describe('a language model in the pool', needs('llama'), () => {
  const directory = mkdtempSync(join(tmpdir(), 'rma-llm-pool-'));
  const gguf = join(directory, 'tiny.gguf');
  let coordinator: TestCoordinator;
  let server: OpenAiServer;
  let client: Client;
  let agent: Agent | undefined;

  beforeAll(async () => {
    writeTinyGguf(gguf);
    server = await OpenAiServer.start({ gguf });
    coordinator = await startTestCoordinator();
    client = connect({ url: coordinator.http, token: coordinator.token('admin') });
  }, 60_000);
  afterEach(() => agent?.stop());
  afterAll(async () => {
    await client.close();
    await coordinator.dispose();
    await server.dispose();
    rmSync(directory, { recursive: true });
  });

  async function joins(name: string, llm: LlmOptions, models: string[]): Promise<void> {
    giveLlama(join(directory, name));
    agent = createAgent({
      url: coordinator.http,
      token: coordinator.token('join'),
      stateDir: join(directory, name),
      name,
      llm,
      only: [],
      sample: false,
    });
    await agent.start();
    await vi.waitFor(
      async () => {
        const workers = await client.workers();
        const services = workers.find((worker) => worker.name === name)?.services;
        expect(services).toMatchObject([{ workload: 'llm', state: 'healthy', models }]);
      },
      { timeout: 30_000, interval: 50 },
    );
  }

  async function answersInPieces(model: string): Promise<void> {
    const task = client.submit('llm.chat', { ...QUESTION, model }, { constraints: { model } });
    const pieces: string[] = [];
    for await (const { data } of task) {
      const { content } = data as { content?: string };
      if (content !== undefined) pieces.push(content);
    }
    expect(pieces.length).toBeGreaterThan(5);
    expect(await task.output()).toMatchObject({
      message: { role: 'assistant', content: pieces.join('') },
      finishReason: 'length',
      model,
      usage: { promptTokens: expect.any(Number), completionTokens: 12 },
    });
  }

  /** Cancels a long answer once it has begun; resolves when the worker's slot is free again. */
  async function cancelsMidway(model: string): Promise<void> {
    const task = client.submit('llm.chat', { ...QUESTION, model, max_tokens: 3_000 });
    let pieces = 0;
    for await (const _ of task) {
      pieces += 1;
      if (pieces === 5) break;
    }
    await task.cancel();
    await expect(task.output()).rejects.toThrow(/cancel/);
  }

  it('on an endpoint streams its answer, and a cancel stops the server', async () => {
    const endpoints = endpointSpecs({ endpoints: [`llm=${server.baseUrl}`], detect: false });
    await joins('with-endpoint', { endpoints, models: [] }, ['tiny-chat', 'tiny-embed']);
    await answersInPieces('tiny-chat');
    await cancelsMidway('tiny-chat');
    const generation = server.generations.at(-1);
    await vi.waitFor(() => expect(generation?.state).toBe('aborted'), { timeout: 5_000, interval: 10 });
    expect(generation?.tokens).toBeLessThan(3_000);
    const vectors = await client.submit('text.embed', { texts: ['one', 'two'], model: 'tiny-embed' }).output();
    expect(vectors).toMatchObject({ model: 'tiny-embed', dimensions: 64 });
  }, 60_000);

  it('in a GGUF file streams its answer, and is free at once after a cancel', async () => {
    await joins('with-file', { endpoints: [], models: ggufSpecs({ models: [`mine=${gguf}`] }) }, ['mine']);
    await answersInPieces('mine');
    await cancelsMidway('mine');
    await answersInPieces('mine');
  }, 60_000);
});
