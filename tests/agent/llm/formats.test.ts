/** What servers of several makers answer; see answers/README.md. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EndpointRuntime } from '@rma/agent/endpoint-runtime/endpoint';
import { executeOpenAi } from '@rma/agent/endpoint-runtime/execution';
import { ModelLister } from '@rma/agent/endpoint-runtime/models';
import { eventsOf } from '@rma/agent/endpoint-runtime/sse';
import type { Outcome } from '@rma/workloads/runtime';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';

const answer = (name: string) => readFileSync(new URL(`./answers/${name}`, import.meta.url), 'utf8');
const QUESTION = { messages: [{ role: 'user', content: 'Hello' }] };
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

/** Serves fixed bodies by path; 404 elsewhere. */
function serveFiles(files: Record<string, string>): Promise<string> {
  return serve((request, response) => {
    const body = files[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body ?? '{}');
  });
}

function serveOllama(show: Record<string, unknown>, models = answer('ollama-models.json')): Promise<string> {
  return serve((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    request.on('end', () => {
      if (request.url === '/v1/models') response.end(models);
      else if (request.url === '/api/version') response.end('{"version":"0.12.3"}');
      else response.end(JSON.stringify(show[JSON.parse(text).model] ?? { error: 'model not found' }));
    });
  });
}

const list = (baseUrl: string) => new ModelLister().list({ baseUrl }, AbortSignal.timeout(5_000));

async function chat(baseUrl: string, input: unknown = QUESTION) {
  const chunks: unknown[] = [];
  const target = { name: 'llm', baseUrl, chatModels: ['m'], embeddingModels: ['e'] };
  const job = { kind: 'llm.chat', input, timeoutMs: 10_000 };
  const listener = { progress: () => undefined, chunk: (value: unknown) => void chunks.push(value) };
  return { outcome: await executeOpenAi(target, job, listener).done, chunks };
}

function stream(text: string | Buffer, cutEvery = Number.POSITIVE_INFINITY): Promise<string> {
  const bytes = Buffer.from(text);
  return serve((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let at = 0; at < bytes.length; at += cutEvery) response.write(bytes.subarray(at, at + cutEvery));
    response.end();
  });
}

describe('models', () => {
  it('of Ollama are for what it says they are for', async () => {
    const { product, models } = await list(await serveOllama(JSON.parse(answer('ollama-show.json'))));
    expect(product).toBe('ollama');
    expect(models).toEqual([
      { name: 'llama3.2:latest', use: 'chat' },
      { name: 'someone/paraphrase:v2', use: 'embedding' },
      { name: 'nomic-embed-text:latest', use: 'embedding' },
    ]);
  });

  it('of an Ollama without any are none', async () => {
    expect(await list(await serveOllama({}, '{"object":"list","data":null}'))).toEqual({
      product: 'ollama',
      models: [],
    });
  });

  it('of vLLM and llama.cpp are known, too', async () => {
    expect(await list(await serveFiles({ '/v1/models': answer('vllm-models.json') }))).toEqual({
      product: 'vllm',
      models: [{ name: 'Qwen/Qwen2.5-7B-Instruct', use: 'chat' }],
    });
    expect(await list(await serveFiles({ '/v1/models': answer('llama-cpp-models.json') }))).toEqual({
      product: 'llama.cpp',
      models: [{ name: '../models/vectors-v1.gguf', use: 'embedding' }],
    });
  });

  it('of other servers are recognised by their names', async () => {
    const names = [
      'gpt-4o',
      'text-embedding-3-small',
      'BAAI/bge-m3',
      'bge-reranker-v2',
      'whisper-1',
      'intfloat/e5-large',
    ];
    const data = names.map((id) => ({ id, object: 'model', owned_by: 'x' }));
    const { models } = await list(await serveFiles({ '/v1/models': JSON.stringify({ data }) }));
    expect(models.map(({ name, use }) => `${name} ${use}`)).toEqual([
      'gpt-4o chat',
      'text-embedding-3-small embedding',
      'BAAI/bge-m3 embedding',
      'intfloat/e5-large embedding',
    ]);
  });

  it('of what is no such server are refused, with a hint', async () => {
    const baseUrl = await serve((_, response) => response.end('<html>hello'));
    await expect(list(baseUrl)).rejects.toThrow(/did not answer with JSON but with '<html>hello'.*\/v1/);
  });
});

describe('a server that was only looked for', () => {
  const times = { intervalMs: 20, backoffMs: 20, maxBackoffMs: 20, timeoutMs: 1_000 };
  const log = { info: vi.fn(), warn: vi.fn() };

  it('is offered once it is there and is what was looked for', async () => {
    const baseUrl = await serveFiles({ '/v1/models': answer('vllm-models.json') });
    const right = new EndpointRuntime({ name: 'a', baseUrl, slots: 1, product: 'vllm' }, log, times);
    const wrong = new EndpointRuntime({ name: 'b', baseUrl, slots: 1, product: 'llama.cpp' }, log, times);
    let looks = 0;
    servers[0]?.on('request', () => {
      looks += 1;
    });
    await Promise.all([right.start(() => undefined), wrong.start(() => undefined)]);
    await eventually(() => expect(right.services()).toMatchObject([{ name: 'a', state: 'healthy' }]));
    await eventually(() => expect(looks).toBeGreaterThan(10));
    expect(wrong.services()).toEqual([]);
    expect(log.info).toHaveBeenCalledTimes(1);
    await Promise.all([right.stop(), wrong.stop()]);
  });
});

describe('a stream', () => {
  it.each([1, 2, 3, 7, 64])('is read however it is cut: into pieces of %i bytes', async (size) => {
    const { outcome, chunks } = await chat(await stream(answer('vllm-stream.txt'), size));
    expect(chunks).toEqual([
      { role: 'assistant' },
      { reasoning_content: 'A greeting.' },
      { content: 'Grüß ' },
      { content: 'Gott 👋' },
    ]);
    expect(outcome).toMatchObject({
      ok: true,
      output: {
        message: { role: 'assistant', content: 'Grüß Gott 👋', reasoning_content: 'A greeting.' },
        finishReason: 'stop',
        model: 'Qwen/Qwen2.5-7B-Instruct',
        usage: { promptTokens: 31, completionTokens: 9 },
      },
    });
  });

  it('may have CRLF, comments, and no empty line at its end', async () => {
    const text = ': hello\r\n\r\ndata: {"a":1}\r\n\r\nevent: ping\r\ndata: 2\r\n\r\ndata: 3';
    const events: string[] = [];
    const bytes = (async function* () {
      for (const byte of Buffer.from(text)) yield Uint8Array.of(byte);
    })();
    for await (const event of eventsOf(bytes)) events.push(event);
    expect(events).toEqual(['{"a":1}', '2', '3']);
  });

  it('of tool calls is put together, and counted by its pieces where the server tells no count', async () => {
    const { outcome, chunks } = await chat(await stream(answer('openai-tools-stream.txt'), 50));
    expect(chunks).toHaveLength(4);
    expect(outcome).toMatchObject({
      ok: true,
      output: {
        message: {
          content: null,
          tool_calls: [
            { id: 'call_a', type: 'function', function: { name: 'weather', arguments: '{"city":"Leeds"}' } },
            { id: 'call_b', type: 'function', function: { name: 'clock', arguments: '{}' } },
          ],
        },
        finishReason: 'tool_calls',
        usage: { completionTokens: 4, estimated: true },
      },
    });
  });

  it('that ends in mid-answer, or in an error, fails and may be tried again', async () => {
    const begun = answer('vllm-stream.txt').split('\n\n').slice(0, 3).join('\n\n');
    expect((await chat(await stream(`${begun}\n\n`))).outcome).toMatchObject({
      ok: false,
      error: { code: 'endpoint.cut', retryable: true },
    });
    const failed = `${begun}\n\ndata: {"error":{"message":"CUDA out of memory","type":"InternalServerError"}}\n\n`;
    expect((await chat(await stream(failed))).outcome).toMatchObject({
      ok: false,
      error: { code: 'endpoint.failed', message: expect.stringContaining('CUDA out of memory'), retryable: true },
    });
  });
});

describe('a refusal', () => {
  it.each([
    [400, '{"object":"error","message":"context length is 4096","code":400}', 'endpoint.refused', false],
    [422, '{"detail":[{"msg":"context length is 4096"}]}', 'endpoint.refused', false],
    [404, '{"error":{"message":"model \\"m\\" not found"}}', 'model.unknown', true],
    [429, '{"error":"context length is 4096, and too many"}', 'endpoint.busy', true],
    [503, 'context length is 4096 or so', 'endpoint.failed', true],
  ])('of status %i fails with the message of the server', async (status, body, code, retryable) => {
    const baseUrl = await serve((_, response) => response.writeHead(status).end(body));
    const { outcome } = await chat(baseUrl);
    const words = status === 404 ? 'not found' : 'context length is 4096';
    expect(outcome).toMatchObject({ ok: false, error: { code, retryable, message: expect.stringContaining(words) } });
  });

  it.each<[string, object, RegExp]>([
    ['no messages', {}, /input.messages: expected a list/],
    ['an unknown role', { messages: [{ role: 'root', content: 'x' }] }, /messages\[0\].role: expected one of system/],
    ['an unknown field', { ...QUESTION, chat_template: '{{ x }}' }, /input.chat_template: not known here/],
    ['several answers', { ...QUESTION, n: 2 }, /input.n: expected 1/],
    ['a bad temperature', { ...QUESTION, temperature: 'hot' }, /input.temperature: expected a number from 0 to 10/],
    [
      'an image to be fetched',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://10.0.0.1/x' } }] }] },
      /content\[0\].image_url.url: expected the image itself/,
    ],
  ])('of an input with %s names its place, and nothing reaches the server', async (_what, input, message) => {
    const { outcome }: { outcome: Outcome } = await chat('http://127.0.0.1:9/v1', input);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'input.invalid', retryable: false } });
    expect(outcome.ok ? '' : outcome.error.message).toMatch(message);
  });
});
