/**
 * The embedded workloads behind HTTP, for containers of the catalogue: `POST /tasks/KIND` runs a task and streams its
 * frames (frames.ts), a closed connection cancels it, `GET /health` answers 200 while every service is healthy. There is no
 * authentication: it listens inside a container's network, for the agent that started it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage } from '@rma/protocol/error';
import type { Execution, Outcome, Runtime, ServiceStatus } from '../runtime.js';
import { encodeFrame, FRAMES_TYPE, type Frame } from './frames.js';
import { HttpError, readInput } from './request-body.js';

/** Bytes buffered for a caller that does not read; above it the connection is closed, which cancels the task. */
const MAX_BUFFERED_BYTES = 64 * 1_048_576;
const MAX_TIMEOUT_MS = 24 * 3_600_000;
/** Request header: the task's wall time in ms. */
export const TIMEOUT_HEADER = 'rma-timeout-ms';

export interface TaskServerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface TaskServerOptions {
  /** Not started yet; the server starts and stops it. */
  readonly runtime: Runtime;
  readonly maxBodyBytes: number;
  /** Wall time, in ms, of a task without that header. */
  defaultTimeoutMs(kind: string): number;
  readonly log: TaskServerLog;
}

export class TaskServer {
  readonly #options: TaskServerOptions;
  readonly #server: Server;
  readonly #running = new Map<string, number>();
  readonly #executions = new Set<Execution>();
  #stopping: Promise<void> | undefined;

  constructor(options: TaskServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const why = errorMessage(error);
        options.log.warn({ error: why }, `a request failed: ${why}`);
        response.destroy();
      });
    });
  }

  /** Starts the services, and listens. @returns the port; 0 asks for a free one */
  async start(host: string, port: number): Promise<number> {
    await this.#options.runtime.start(() => this.#logUnhealthy());
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new tasks, lets running ones end for `graceMs`, cancels the rest, and ends every process. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#end(graceMs);
    return this.#stopping;
  }

  async #end(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    const running = [...this.#executions].map(({ done }) => done);
    if (running.length > 0) {
      this.#options.log.info({ tasks: running.length }, `stopping: running tasks get ${graceMs / 1_000} s to finish`);
    }
    let timer: NodeJS.Timeout | undefined;
    const graceOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(running), graceOver]);
    clearTimeout(timer);
    await this.#options.runtime.stop();
    // Responses are flushed; idle and half-read connections are closed, as they would keep the process alive.
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(cut);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const kind = /^\/tasks\/([A-Za-z0-9._-]{1,128})$/.exec(path)?.[1];
    try {
      if (path === '/health' && (request.method === 'GET' || request.method === 'HEAD')) this.#sendHealth(response);
      else if (kind === undefined) throw new HttpError(404, `there is nothing at ${path.slice(0, 200)}`);
      else if (request.method !== 'POST') throw new HttpError(405, 'a task is run by POST');
      else await this.#runTask(kind, request, response);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      sendError(request, response, error);
    }
  }

  async #runTask(kind: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const timeoutMs = this.#timeoutOf(kind, request);
    const service = this.#admit(kind);
    this.#running.set(service.name, (this.#running.get(service.name) ?? 0) + 1);
    try {
      const input = await readInput(request, this.#options.maxBodyBytes);
      await this.#execute(kind, input, timeoutMs, response);
    } finally {
      this.#running.set(service.name, (this.#running.get(service.name) ?? 1) - 1);
    }
  }

  /** The service that takes a task of this kind now. @throws HttpError where there is none, or none has room */
  #admit(kind: string): ServiceStatus {
    const services = this.#options.runtime.services();
    const service = services.find(({ kinds }) => kinds.includes(kind));
    if (service === undefined) {
      const kinds = services.flatMap((one) => one.kinds).join(', ');
      throw new HttpError(404, `this server does not serve ${kind}; it serves ${kinds}`);
    }
    if (this.#stopping !== undefined) throw new HttpError(503, 'this server is stopping');
    if (service.state !== 'healthy') {
      throw new HttpError(503, `${service.name} is ${service.state}${service.reason ? `: ${service.reason}` : ''}`);
    }
    if ((this.#running.get(service.name) ?? 0) >= service.slots) {
      throw new HttpError(429, `${service.name} runs ${service.slots} tasks already, which is its limit (--slots)`);
    }
    return service;
  }

  #timeoutOf(kind: string, request: IncomingMessage): number {
    const given = request.headers[TIMEOUT_HEADER];
    if (given === undefined) return this.#options.defaultTimeoutMs(kind);
    const timeoutMs = Number(given);
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
      throw new HttpError(400, `${TIMEOUT_HEADER} is a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
    }
    return timeoutMs;
  }

  async #execute(kind: string, input: unknown, timeoutMs: number, response: ServerResponse): Promise<void> {
    // The caller may have closed the connection while its body was read.
    if (response.destroyed) return;
    response.writeHead(200, { 'content-type': FRAMES_TYPE, 'cache-control': 'no-store' });
    response.flushHeaders();
    const send = (frame: Frame): void => {
      if (response.destroyed || response.writableEnded) return;
      response.write(encodeFrame(frame));
      if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
    };
    const execution = this.#options.runtime.execute(
      { kind, input, timeoutMs },
      {
        progress: (fraction, note) => send({ type: 'progress', fraction, ...(note === undefined ? {} : { note }) }),
        chunk: (value) => send({ type: 'chunk', value }),
      },
    );
    this.#executions.add(execution);
    const cancel = (): void => execution.cancel();
    response.once('close', cancel);
    const outcome = await execution.done;
    response.off('close', cancel);
    this.#executions.delete(execution);
    send(lastFrame(kind, outcome));
    if (!response.destroyed) response.end();
  }

  #sendHealth(response: ServerResponse): void {
    const services = this.#options.runtime.services().map(({ name, state, kinds, slots, reason }) => {
      return { name, state, kinds, slots, running: this.#running.get(name) ?? 0, ...(reason ? { reason } : {}) };
    });
    const healthy = this.#stopping === undefined && services.every(({ state }) => state === 'healthy');
    json(response, healthy ? 200 : 503, { status: healthy ? 'ok' : 'unavailable', services });
  }

  #logUnhealthy(): void {
    for (const { name, state, reason } of this.#options.runtime.services()) {
      if (state === 'unhealthy') this.#options.log.warn({ service: name }, `${name} does not work: ${reason ?? ''}`);
    }
  }
}

function lastFrame(kind: string, outcome: Outcome): Frame {
  if (!outcome.ok) return { type: 'error', error: outcome.error };
  const frame: Frame = { type: 'output', output: outcome.output };
  try {
    encodeFrame(frame);
    return frame;
  } catch (error) {
    const why = errorMessage(error);
    return { type: 'error', error: { code: 'output.invalid', message: `${kind}: ${why}`, retryable: false } };
  }
}

/** The connection ends with the response where the body was not read to its end. */
function sendError(request: IncomingMessage, response: ServerResponse, { status, message }: HttpError): void {
  if (response.destroyed) return;
  if (!request.complete) response.setHeader('connection', 'close');
  if (status === 429 || status === 503) response.setHeader('retry-after', '1');
  json(response, status, { error: { message } });
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(value)}\n`);
}
