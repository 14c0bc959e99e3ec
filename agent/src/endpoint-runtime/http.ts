/**
 * HTTP to an inference server: JSON requests, JSON or streamed responses. Node's own client rather than fetch, which gives
 * up when the first byte takes five minutes. Destroying the request stops a generation.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { TaskError } from '@rma/workloads/runtime';

/** A server that speaks the OpenAI API. */
export interface ServerAddress {
  /** With its path, without a slash at the end: `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string;
  /** Sent as a bearer token. */
  readonly key?: string | undefined;
}

export interface ServerRequest {
  readonly method: 'GET' | 'POST';
  /** Below the base URL, such as `/models`. */
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** Limit of a response that is not streamed. */
const MAX_ANSWER_BYTES = 64 * 1_048_576;
const MAX_ERROR_BYTES = 16 * 1_024;

/**
 * Sends a request; resolves with the head of a 2xx response.
 * @throws TaskError for any other status, and when the server cannot be reached
 */
export async function ask(server: ServerAddress, request: ServerRequest): Promise<IncomingMessage> {
  const answer = await open(server, request);
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  const text = await readText(answer, MAX_ERROR_BYTES, 'cut').catch(() => '');
  throw refusal(server, status, text);
}

/** Sends a request and parses the JSON of the response. @throws TaskError */
export async function askJson(server: ServerAddress, request: ServerRequest): Promise<unknown> {
  const answer = await ask(server, request);
  const text = await readText(answer, MAX_ANSWER_BYTES, 'fail').catch((error: unknown) => {
    throw interrupted(server, error, request.signal);
  });
  try {
    return JSON.parse(text);
  } catch {
    const start = text.slice(0, 80).replace(/\s+/g, ' ');
    throw new TaskError(
      'endpoint.invalid',
      `${server.baseUrl}${request.path} did not answer with JSON but with '${start}': is it an OpenAI-compatible server, and does the address end in /v1?`,
      true,
    );
  }
}

function open(server: ServerAddress, { method, path, body, signal }: ServerRequest): Promise<IncomingMessage> {
  const url = new URL(`${server.baseUrl}${path}`);
  const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = {
    accept: 'application/json, text/event-stream',
    ...(data === undefined ? {} : { 'content-type': 'application/json', 'content-length': data.length }),
    ...(server.key === undefined ? {} : { authorization: `Bearer ${server.key}` }),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const sent = send(url, { method, headers, signal, agent: false }, resolve);
    sent.on('error', (error) => reject(interrupted(server, error, signal)));
    sent.end(data);
  });
}

/** An error of the connection as a TaskError. One that the signal caused is returned unchanged. */
export function interrupted(server: ServerAddress, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof TaskError) return error;
  const why = error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error);
  return new TaskError('endpoint.unreachable', `${server.baseUrl} cannot be reached: ${why}`, true);
}

async function readText(answer: IncomingMessage, maxBytes: number, beyond: 'cut' | 'fail'): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer) {
    const buffer = part as Buffer;
    bytes += buffer.length;
    if (bytes > maxBytes) {
      answer.destroy();
      if (beyond === 'cut') break;
      throw new TaskError('endpoint.invalid', `the answer is larger than ${maxBytes} bytes`, false);
    }
    parts.push(buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** A status as a failure: most of 4xx are final, since the request is wrong; the others are retryable. */
function refusal(server: ServerAddress, status: number, body: string): TaskError {
  const detail = errorDetail(body);
  const message = `${server.baseUrl} answered ${status}${detail === '' ? '' : `: ${detail}`}`;
  if (status === 401 || status === 403) {
    return new TaskError('endpoint.unauthorized', `${message}. The donor gives its key with RMA_ENDPOINT_KEY.`, true);
  }
  if (status === 404 && /model/i.test(detail)) return new TaskError('model.unknown', message, true);
  if (status === 408 || status === 425 || status === 429) return new TaskError('endpoint.busy', message, true);
  return status >= 400 && status < 500
    ? new TaskError('endpoint.refused', message, false)
    : new TaskError('endpoint.failed', message, true);
}

/** The message in an error body, in any of the common shapes: OpenAI's, vLLM's, Ollama's, FastAPI's. */
export function errorDetail(body: string): string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return body.replace(/\s+/g, ' ').trim().slice(0, 500);
  }
  return errorDetailOf(value) ?? body.slice(0, 500);
}

/** The same for a parsed error object; undefined where it has no known shape. */
export function errorDetailOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { error, message, detail } = value as Record<string, unknown>;
  for (const found of [error, message, detail]) {
    if (typeof found === 'string') return found.slice(0, 500);
    if (typeof found !== 'object' || found === null) continue;
    if ('message' in found && typeof found.message === 'string') return found.message.slice(0, 500);
    return JSON.stringify(found).slice(0, 500);
  }
  return undefined;
}

/** A value of a server's JSON as a map; undefined for anything else. */
export function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
