/** Runs tasks on containers with api `rma` (our own task server) or `http` (one JSON request per task). */
import { type IncomingMessage, request } from 'node:http';
import { errorMessage } from '@rma/protocol/error';
import { packPayload, valueFromJson, valueToJson } from '@rma/protocol/payload';
import type { ContainerSpec } from '@rma/protocol/workload';
import { cancelledFailure, LONGEST_TIMER_MS, timeoutFailure } from '@rma/workloads/host/failures';
import type { Execution, Failure, Job, JobListener, Outcome } from '@rma/workloads/runtime';
import { plainLine } from '../plain-line.js';
import type { KindServer } from './kind-server.js';
import { TaskFrames } from './task-frames.js';

const MAX_ANSWER_BYTES = 64 * 1_048_576;

type Run = (job: Job, listener: JobListener, baseUrl: string, signal: AbortSignal) => Promise<Outcome>;

/** The server of a spec whose api is `rma` or `http`. */
export function httpKindServer(spec: ContainerSpec): KindServer {
  return new HttpKindServer(
    spec.api === 'rma' ? runOnTaskServer : (job, _, baseUrl, signal) => runRequest(spec, job, baseUrl, signal),
  );
}

class HttpKindServer implements KindServer {
  #baseUrl: string | undefined;
  readonly #running = new Set<(failure: Failure) => void>();

  constructor(private readonly run: Run) {}

  open(baseUrl: string): void {
    this.#baseUrl = baseUrl;
  }

  close(): void {
    this.#baseUrl = undefined;
    for (const stop of this.#running) stop(lost());
  }

  models(): readonly string[] {
    return [];
  }

  execute(job: Job, listener: JobListener): Execution {
    const baseUrl = this.#baseUrl;
    if (baseUrl === undefined) return { done: Promise.resolve({ ok: false, error: lost() }), cancel: () => undefined };
    const abort = new AbortController();
    let verdict: Failure | undefined;
    const stop = (failure: Failure): void => {
      verdict ??= failure;
      abort.abort();
    };
    this.#running.add(stop);
    const timer = setTimeout(() => stop(timeoutFailure(job)), Math.min(job.timeoutMs, LONGEST_TIMER_MS));
    const done = this.run(job, listener, baseUrl, abort.signal)
      .catch((error: unknown): Outcome => ({ ok: false, error: unreachable(job, error) }))
      .then((outcome): Outcome => {
        clearTimeout(timer);
        this.#running.delete(stop);
        return verdict === undefined ? outcome : { ok: false, error: verdict };
      });
    return { done, cancel: () => stop(cancelledFailure(job)) };
  }
}

async function runOnTaskServer(
  job: Job,
  listener: JobListener,
  baseUrl: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const answer = await exchange(`${baseUrl}/tasks/${encodeURIComponent(job.kind)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/msgpack', 'x-rma-timeout-ms': String(job.timeoutMs) },
    body: packPayload(job.input),
    signal,
  });
  if (answer.statusCode !== 200) return refused(job, answer.statusCode ?? 0, await readBody(answer, MAX_ANSWER_BYTES));
  const frames = new TaskFrames();
  for await (const piece of answer as AsyncIterable<Buffer>) {
    for (const frame of frames.take(piece)) {
      if (frame.type === 'progress') listener.progress(frame.fraction, frame.note);
      else if (frame.type === 'chunk') listener.chunk(frame.value);
      else if (frame.type === 'output') return { ok: true, output: frame.output };
      else return { ok: false, error: frame.error };
    }
  }
  throw new Error('it closed the answer without a result');
}

async function runRequest(spec: ContainerSpec, job: Job, baseUrl: string, signal: AbortSignal): Promise<Outcome> {
  const mapping = spec.requests?.[job.kind];
  if (mapping === undefined) {
    const message = `the catalogue does not say which request a ${job.kind} is: add it to \`requests\` of this workload`;
    return { ok: false, error: { code: 'kind.unmapped', message, retryable: false } };
  }
  const json = valueToJson(job.input);
  const isGet = mapping.method === 'GET';
  const answer = await exchange(`${baseUrl}${mapping.path}${isGet ? queryOf(json) : ''}`, {
    method: mapping.method,
    headers: { accept: 'application/json', ...(isGet ? {} : { 'content-type': 'application/json' }) },
    body: isGet ? undefined : JSON.stringify(json),
    signal,
  });
  const body = await readBody(answer, MAX_ANSWER_BYTES);
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 299) return refused(job, status, body);
  if (body.length === 0) return { ok: true, output: null };
  try {
    return { ok: true, output: valueFromJson(JSON.parse(body.toString('utf8'))) };
  } catch {
    const message = `its answer to ${job.kind} is not JSON: ${plainLine(body.toString('utf8'), 160)}`;
    return { ok: false, error: { code: 'service.answer', message, retryable: false } };
  }
}

function queryOf(json: unknown): string {
  if (typeof json !== 'object' || json === null) return '';
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(json)) {
    if (value !== null) query.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  return query.size === 0 ? '' : `?${query}`;
}

/** 4xx means the input is wrong and is final, but for 408 and 429; any other status is retryable. */
function refused(job: Job, status: number, body: Buffer): Outcome {
  const retryable = status >= 500 || status === 408 || status === 429;
  const message = `the container answered ${job.kind} with ${status}: ${plainLine(body.toString('utf8'), 500) || 'no reason given'}`;
  return { ok: false, error: { code: retryable ? 'service.error' : 'service.refused', message, retryable } };
}

function unreachable(job: Job, error: unknown): Failure {
  const why = errorMessage(error);
  return { code: 'service.lost', message: `the container of ${job.kind} did not finish it: ${why}`, retryable: true };
}

function lost(): Failure {
  return { code: 'service.lost', message: 'the container that ran it is not there any more', retryable: true };
}

interface ExchangeOptions {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly signal: AbortSignal;
}

/** Resolves with the head of the response. It has no time limit, because the task has one; ends when aborted. */
function exchange(url: string, { method, headers = {}, body, signal }: ExchangeOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request(url, { method, headers: { ...headers, ...length }, signal, agent: false }, resolve);
    sent.once('error', reject);
    sent.end(body);
  });
}

/** The whole of a body. @throws Error above the limit */
async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
