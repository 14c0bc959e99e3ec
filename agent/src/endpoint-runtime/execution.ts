/**
 * One task on an OpenAI-compatible server, be it an endpoint of the donor's or a container: `llm.chat` streams, `text.embed`
 * sends requests of bounded size. Cancelling closes the connection, which ends a generation.
 */

import { readTexts } from '@rma/workloads/embed/handlers';
import { cancelledFailure, LONGEST_TIMER_MS, timeoutFailure } from '@rma/workloads/host/failures';
import { runHandler } from '@rma/workloads/host/run-handler';
import { asMap } from '@rma/workloads/input';
import {
  type Execution,
  type Failure,
  type Handler,
  type Job,
  type JobListener,
  type Outcome,
  type TaskContext,
  TaskError,
} from '@rma/workloads/runtime';
import { ChatAnswer, type ChatOutput } from './chat-answer.js';
import { readChatInput, readModel } from './chat-input.js';
import { ask, askJson, interrupted, type ServerAddress } from './http.js';
import { findModel } from './models.js';
import { eventsOf } from './sse.js';

/** The kinds that an OpenAI-compatible server can serve. */
export const OPENAI_KINDS = ['llm.chat', 'text.embed'] as const;

/** A server and its models. A chat that names no model gets the first one. */
export interface OpenAiTarget extends ServerAddress {
  /** For messages: `the endpoint llm`, `the container of vllm-chat`. */
  readonly name: string;
  readonly chatModels: readonly string[];
  readonly embeddingModels: readonly string[];
}

/** The output of `text.embed`, equal in shape to the embedded handler's. */
interface EmbedOutput {
  readonly model: string;
  readonly dimensions: number;
  readonly vectors: readonly (readonly number[])[];
}

/** More texts are sent in further requests, one after another. */
const TEXTS_PER_REQUEST = 64;

/** An execution that its runtime can end with a failure of its own. */
export interface OpenAiExecution extends Execution {
  stopWith(failure: Failure): void;
}

/** Runs a job on the server. `done` settles once the connection is closed. */
export function executeOpenAi(target: OpenAiTarget, job: Job, listener: JobListener): OpenAiExecution {
  const abort = new AbortController();
  let stopReason: Failure | undefined;
  const stopWith = (failure: Failure): void => {
    stopReason ??= failure;
    abort.abort();
  };
  const timer = setTimeout(() => stopWith(timeoutFailure(job)), Math.min(job.timeoutMs, LONGEST_TIMER_MS));
  const context: TaskContext = {
    signal: abort.signal,
    progress: (fraction, note) => listener.progress(fraction, note),
    chunk: (value) => {
      if (stopReason === undefined) listener.chunk(value);
    },
  };
  const done = runHandler(handlerOf(target, job.kind), job.kind, job.input, context).then((outcome): Outcome => {
    clearTimeout(timer);
    return stopReason === undefined ? outcome : { ok: false, error: stopReason };
  });
  return { done, stopWith, cancel: () => stopWith(cancelledFailure(job)) };
}

function handlerOf(target: OpenAiTarget, kind: string): Handler | undefined {
  if (kind === 'llm.chat') return (input, context) => chat(target, input, context);
  if (kind === 'text.embed') return (input, context) => embed(target, input, context);
  return undefined;
}

async function chat(target: OpenAiTarget, input: unknown, { signal, chunk }: TaskContext): Promise<ChatOutput> {
  const { model: wanted, messages, parameters } = readChatInput(input);
  const model = chooseModel(target, wanted, target.chatModels, 'chat');
  const body = { ...parameters, model, messages, stream: true, stream_options: { include_usage: true } };
  const answer = new ChatAnswer(model, performance.now());
  const stream = await ask(target, { method: 'POST', path: '/chat/completions', body, signal });
  try {
    for await (const data of eventsOf(stream)) {
      if (data.trim() === '[DONE]') break;
      for (const delta of answer.take(parsed(data), performance.now())) chunk(delta);
    }
  } catch (error) {
    const cause = interrupted(target, error, signal);
    // The answer is complete; only the usage is missing.
    if (!(answer.isFinished && cause instanceof TaskError && cause.code === 'endpoint.unreachable')) throw cause;
  } finally {
    stream.destroy();
  }
  signal.throwIfAborted();
  return answer.finish(performance.now());
}

async function embed(target: OpenAiTarget, input: unknown, context: TaskContext): Promise<EmbedOutput> {
  const wanted = readModel(asMap(input, '{ text, model } or { texts, model }').model);
  if (wanted === undefined) {
    const available = target.embeddingModels.join(', ');
    // Retryable, because another service may have the built-in model.
    throw new TaskError(
      'model.unnamed',
      `${target.name} has no built-in model: name one of its own as input.model (${available}), so that vectors of different models never mix`,
      true,
    );
  }
  const model = chooseModel(target, wanted, target.embeddingModels, 'embedding');
  const texts = readTexts(input);
  const vectors: number[][] = [];
  while (vectors.length < texts.length) {
    const batch = texts.slice(vectors.length, vectors.length + TEXTS_PER_REQUEST);
    const body = { model, input: batch, encoding_format: 'float' };
    const { signal } = context;
    vectors.push(
      ...readVectors(await askJson(target, { method: 'POST', path: '/embeddings', body, signal }), batch.length),
    );
    context.progress(vectors.length / texts.length);
  }
  const dimensions = vectors[0]?.length ?? 0;
  if (vectors.some((vector) => vector.length !== dimensions))
    throw new TaskError('endpoint.invalid', `${target.name} answered with vectors of different lengths`, true);
  return { model, dimensions, vectors };
}

/** The vectors in the order of the texts, normalised, which some servers do not do. */
function readVectors(answer: unknown, count: number): number[][] {
  const data = typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : undefined;
  const vectors: number[][] = [];
  for (const [position, entry] of (Array.isArray(data) ? data : []).entries()) {
    const { embedding, index = position } = (entry ?? {}) as { embedding?: unknown; index?: unknown };
    if (!Array.isArray(embedding) || embedding.length === 0 || !embedding.every(Number.isFinite)) break;
    vectors[Number(index)] = unit(embedding as number[]);
  }
  if (vectors.length !== count || vectors.includes(undefined as never))
    throw new TaskError(
      'endpoint.invalid',
      `the server answered with ${vectors.length} vectors for ${count} texts`,
      true,
    );
  return vectors;
}

function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return length === 0 ? [...vector] : vector.map((value) => value / length);
}

function chooseModel(target: OpenAiTarget, wanted: string | undefined, models: readonly string[], use: string): string {
  const model = wanted === undefined ? models[0] : findModel(models, wanted);
  if (model !== undefined) return model;
  const available = models.length === 0 ? `none for ${use}` : models.join(', ');
  throw new TaskError(
    'model.unknown',
    wanted === undefined
      ? `${target.name} has no model for ${use}`
      : `${target.name} has no model ${wanted}; it has ${available}`,
    true,
  );
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new TaskError('endpoint.invalid', `the stream holds what is no JSON: ${data.slice(0, 80)}`, true);
  }
}
