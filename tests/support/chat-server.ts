/** A small server that speaks the chat part of the OpenAI API over real HTTP, with answers that the test gives. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface ChatRequest {
  readonly authorization: string | undefined;
  readonly body: { readonly model: string; readonly messages: readonly { role: string; content: string }[] };
}

/** Text to answer with, or a status to fail with. */
export type Reply = (request: ChatRequest) => string | number;

export class ChatServer {
  readonly requests: ChatRequest[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(reply: Reply): Promise<ChatServer> {
    const server = createServer();
    const self = new ChatServer(server);
    server.on('request', async (request, response) => {
      if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
        response.writeHead(404).end();
        return;
      }
      const asked = { authorization: request.headers.authorization, body: await json(request) } as ChatRequest;
      self.requests.push(asked);
      const answer = reply(asked);
      const ok = typeof answer === 'string';
      response.writeHead(ok ? 200 : answer, { 'content-type': 'application/json' });
      const message = { role: 'assistant', content: answer };
      const choices = [{ index: 0, message, finish_reason: 'stop' }];
      response.end(
        JSON.stringify(ok ? { model: asked.body.model, choices } : { error: { message: 'failing as asked' } }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
