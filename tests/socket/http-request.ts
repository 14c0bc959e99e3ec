/** An HTTP request over a connection of its own, and its answer as a whole. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

export function ask(port: number, options: RequestOptions & { body?: string | Uint8Array } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  const call = request({ port, host: '127.0.0.1', agent: false, ...rest });
  call.end(body);
  return answerTo(call);
}

export async function answerTo(call: ClientRequest): Promise<Answer> {
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}
