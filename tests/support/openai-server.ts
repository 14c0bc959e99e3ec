/**
 * A real OpenAI-compatible server: HTTP and server-sent events before a model that node-llama-cpp runs. It counts what it
 * generates, so that a test can see on the server's side that a generation was stopped.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChatHistoryItem, LlamaContext, LlamaLibrary, LlamaModel } from '@rma/agent/gguf-runtime/library';
import { importLlama } from './llama.js';

/** What only this server needs of the library, beside what the agent declares of it. */
interface EmbeddingContext {
  getEmbeddingFor(text: string): Promise<{ readonly vector: readonly number[] }>;
}
interface EmbeddingModel extends LlamaModel {
  createEmbeddingContext(options: { contextSize: number; threads: number }): Promise<EmbeddingContext>;
}
interface Llama {
  loadModel(options: { readonly modelPath: string }): Promise<EmbeddingModel>;
  dispose(): Promise<void>;
}

export interface OpenAiServerOptions {
  readonly gguf: string;
  /** What the models are called. */
  readonly chatModel?: string;
  readonly embeddingModel?: string;
  /** Requests without it are refused. */
  readonly key?: string;
  /** Tells the token counts at the end of a stream, when asked to; default true. */
  readonly usage?: boolean;
}

/** One chat completion, as the server saw it. */
export interface Generation {
  tokens: number;
  state: 'running' | 'complete' | 'aborted';
}

interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly model: string;
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
}

export class OpenAiServer {
  readonly generations: Generation[] = [];
  /** The bodies of all POST requests. */
  readonly bodies: unknown[] = [];
  readonly #options: Required<Omit<OpenAiServerOptions, 'key'>> & { key: string | undefined };
  readonly #library: LlamaLibrary;
  readonly #llama: Llama;
  readonly #context: LlamaContext;
  readonly #embedding: EmbeddingContext;
  #server: Server;
  #port = 0;

  static async start(options: OpenAiServerOptions): Promise<OpenAiServer> {
    const library = await importLlama();
    const llama = (await library.getLlama({
      gpu: false,
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      logLevel: library.LlamaLogLevel.error,
      maxThreads: 1,
    })) as Llama;
    const model = await llama.loadModel({ modelPath: options.gguf });
    const context = await model.createContext({ contextSize: 4_096, sequences: 4, threads: 1 });
    const embedding = await model.createEmbeddingContext({ contextSize: 512, threads: 1 });
    const server = new OpenAiServer(options, library, llama, context, embedding);
    await server.listen();
    return server;
  }

  private constructor(
    options: OpenAiServerOptions,
    library: LlamaLibrary,
    llama: Llama,
    context: LlamaContext,
    embedding: EmbeddingContext,
  ) {
    this.#options = { chatModel: 'tiny-chat', embeddingModel: 'tiny-embed', usage: true, key: undefined, ...options };
    this.#library = library;
    this.#llama = llama;
    this.#context = context;
    this.#embedding = embedding;
    this.#server = this.#create();
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }

  /** Stops listening and drops all connections, as a server that is killed. */
  async goAway(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  /** Listens, on the same port as before. */
  async listen(): Promise<void> {
    this.#server = this.#create();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async dispose(): Promise<void> {
    await this.goAway();
    await this.#llama.dispose();
  }

  #create(): Server {
    return createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else fail(response, 500, error instanceof Error ? error.message : String(error));
      });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { key, chatModel, embeddingModel } = this.#options;
    if (key !== undefined && request.headers.authorization !== `Bearer ${key}`) {
      fail(response, 401, 'Incorrect API key provided');
      return;
    }
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /v1/models') {
      const data = [chatModel, embeddingModel].map((id) => ({ id, object: 'model', created: 1, owned_by: 'tests' }));
      json(response, 200, { object: 'list', data });
      return;
    }
    if (request.method !== 'POST') {
      fail(response, 404, `no ${route}`);
      return;
    }
    const body = JSON.parse(await textOf(request)) as ChatRequest & { input: string | string[] };
    this.bodies.push(body);
    if (route === 'POST /v1/chat/completions') {
      if (body.model === chatModel) await this.#chat(body, response);
      else fail(response, 404, `The model \`${body.model}\` does not exist.`);
    } else if (route === 'POST /v1/embeddings') await this.#embed(body, response);
    else fail(response, 404, `no ${route}`);
  }

  async #chat(body: ChatRequest, response: ServerResponse): Promise<void> {
    const history = body.messages.map(({ role, content }): ChatHistoryItem => {
      if (role === 'assistant') return { type: 'model', response: [content] };
      return { type: role === 'system' ? 'system' : 'user', text: content };
    });
    history.push({ type: 'model', response: [] });
    const abort = new AbortController();
    response.on('close', () => abort.abort());
    const generation: Generation = { tokens: 0, state: 'running' };
    this.generations.push(generation);
    const sequence = this.#context.getSequence();
    const chat = new this.#library.LlamaChat({ contextSequence: sequence });
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model };
    const send = (data: object) => void response.write(`data: ${JSON.stringify({ ...head, ...data })}\n\n`);
    const choice = (delta: object, finish: string | null = null) =>
      send({ choices: [{ index: 0, delta, finish_reason: finish }] });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    choice({ role: 'assistant', content: '' });
    try {
      const { metadata } = await chat.generateResponse(history, {
        maxTokens: body.max_tokens ?? 3_000,
        temperature: body.temperature ?? 0,
        signal: abort.signal,
        onResponseChunk: ({ text, tokens }) => {
          generation.tokens += tokens.length;
          if (text !== '') choice({ content: text });
        },
      });
      generation.state = 'complete';
      choice({}, metadata.stopReason === 'maxTokens' ? 'length' : 'stop');
      if (this.#options.usage && body.stream_options?.include_usage === true) {
        const usage = { prompt_tokens: 7, completion_tokens: generation.tokens, total_tokens: 7 + generation.tokens };
        send({ choices: [], usage });
      }
      response.end('data: [DONE]\n\n');
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      generation.state = 'aborted';
    } finally {
      chat.dispose();
      sequence.dispose();
    }
  }

  async #embed({ model, input }: { model: string; input: string | string[] }, response: ServerResponse): Promise<void> {
    const data: object[] = [];
    for (const [index, text] of [input].flat().entries()) {
      const { vector } = await this.#embedding.getEmbeddingFor(text);
      data.push({ object: 'embedding', index, embedding: [...vector] });
    }
    json(response, 200, { object: 'list', data, model, usage: { prompt_tokens: 1, total_tokens: 1 } });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, message: string): void {
  json(response, status, { error: { message, type: 'invalid_request_error', code: null } });
}
